"""``vmbackup repository key``: who has a key, and which epochs it opens."""

from __future__ import annotations

from typing import assert_never

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.opened import OpenedRepository, import_printed_wrap
from vmbackup_core.repository.primitives.identities import Fingerprint, is_id
from vmbackup_operator.cli.commands import (
    AddKey,
    ExportKey,
    ImportKey,
    KeyCommand,
    ListKeys,
    RemoveKey,
    RotateKeys,
)
from vmbackup_operator.cli.complaints import GOOD
from vmbackup_operator.cli.opening import open_at, places_at
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.secret_files import read_key, read_printed

#: What no command can take back; section 5 of the format's page.
COPIES_OPEN_ON = (
    "whoever has copied a wrap of it, and has the key, opens for ever what its epochs sealed; only"
    " what is written after a rotation is protected"
)


def change_keys(asked: KeyCommand, console: Console) -> int:
    """Do what is asked for about keys, and say what it does not do."""
    if isinstance(asked, ImportKey):
        return _import(asked, console)
    repository = open_at(asked.where, console)
    match asked:
        case ListKeys():
            _list(repository, asked, console)
        case AddKey():
            key = read_key(asked.new_key_file, console.complain)
            repository.add_key(key, asked.label)
            console.write_line(f"key {key.fingerprint} opens the repository")
        case RemoveKey():
            _remove(repository, asked, console)
        case RotateKeys():
            _rotate(repository, asked, console)
        case ExportKey():
            if asked.epoch is not None:
                _check_begun(repository, asked.epoch)
            console.write(repository.export_wrap(asked.epoch))
        case _:
            assert_never(asked)
    return GOOD


def _list(repository: OpenedRepository, asked: ListKeys, console: Console) -> None:
    found = repository.known_keys()
    if asked.where.output == "json":
        console.write_json(
            [
                {
                    "fingerprint": each.fingerprint,
                    "epochs": list(each.epochs),
                    "label": each.label,
                    "removed": each.is_removed,
                    "given": each.fingerprint == repository.key_fingerprint,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.fingerprint,
            ",".join(map(str, each.epochs)) or "none",
            "given" if each.fingerprint == repository.key_fingerprint else "",
            "removed" if each.is_removed else "",
            each.label or "",
        )
        for each in found
    ]
    console.write_table(("FINGERPRINT", "EPOCHS", "GIVEN", "REMOVED", "LABEL"), rows)


def _remove(repository: OpenedRepository, asked: RemoveKey, console: Console) -> None:
    if not is_id(asked.fingerprint):
        raise PermanentError(f"{asked.fingerprint!r} is no fingerprint", reason="NoSuchKey")
    fingerprint = Fingerprint(asked.fingerprint)
    if fingerprint not in {each.fingerprint for each in repository.known_keys()}:
        raise PermanentError(f"no key {fingerprint} opens the repository", reason="NoSuchKey")
    removed = repository.remove_key(fingerprint)
    console.write_line(f"key {fingerprint} removed; {COPIES_OPEN_ON}")
    for name in removed.kept:
        console.write_line(f"{name} is locked and stays")


def _rotate(repository: OpenedRepository, asked: RotateKeys, console: Console) -> None:
    files = (asked.where.key_file, *asked.keep)
    keys = {key.fingerprint: key for key in (read_key(each, console.complain) for each in files)}
    for ended in asked.end:
        _check_begun(repository, ended)
    epoch = repository.rotate(list(keys.values()))
    for ended in asked.end:
        repository.end_epoch(ended)
    console.write_line(f"epoch {epoch} begins, which {', '.join(sorted(keys))} open")


def _check_begun(repository: OpenedRepository, epoch: int) -> None:
    """Raise where the repository has no such epoch: that is a slip of the person's, no damage."""
    newest = repository.reading().state.newest_epoch
    if epoch > newest:
        raise PermanentError(
            f"there is no epoch {epoch}: the newest is {newest}", reason="NoSuchEpoch"
        )


def _import(asked: ImportKey, console: Console) -> int:
    places = places_at(asked.where, console)
    key = read_key(asked.where.key_file, console.complain)
    import_printed_wrap(places, read_printed(asked.printed), key)
    console.write_line(f"key {key.fingerprint} has its wrap back")
    return GOOD
