"""A repository from its address, its key file and, where there are any, SAS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.opened import (
    OpenedRepository,
    import_printed_wrap,
    open_repository,
)
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.primitives import header
from vmbackup_core.repository.primitives.copies import header_in
from vmbackup_core.repository.primitives.names import FIRST_EPOCH
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import ObjectUnreadable
from vmbackup_core.stores.put_if_absent import PutIfAbsent, find_put_if_absent
from vmbackup_operator.cli.addresses import Container, Folder, read_address
from vmbackup_operator.cli.commands import Where
from vmbackup_operator.cli.complaints import complaint
from vmbackup_operator.cli.layered_store import LayeredStore
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.secret_files import read_key, read_printed, read_sas_file

if TYPE_CHECKING:
    from vmbackup_core.repository.opened_repair import DataAlone

SAS_VARIABLE = "VMBACKUP_SAS"
CONTROL_SAS_VARIABLE = "VMBACKUP_CONTROL_SAS"


def open_at(where: Where, console: Console) -> OpenedRepository:
    """Open the repository; what is not quite as it should be is told on *console*."""
    places = places_at(where, console)
    key = read_key(where.key_file, console.complain)
    return open_repository(places, key, Using(None, SystemClock(), HeadsOfProcess()))


def open_other(where: Where, console: Console) -> OpenedRepository:
    """Open a second repository, to be read; what the environment says is the first one's."""
    places = places_at(where, console, of_environment=False)
    key = read_key(where.key_file, console.complain)
    return open_repository(places, key, Using(None, SystemClock(), HeadsOfProcess()))


def data_alone(where: Where, printed: Path | None, console: Console) -> DataAlone:
    """Return what data tells without control; with a *printed* wrap that is put nowhere."""
    from vmbackup_core.repository.opened_repair import DataAlone  # noqa: PLC0415 - seldom needed

    places = places_at(where, console)
    key = read_key(where.key_file, console.complain)
    if printed is not None:
        places = Places(LayeredStore(places.data), LayeredStore(places.control))
        import_printed_wrap(places, read_printed(printed), key)
    return DataAlone(places, key, SystemClock())


def put_if_absent_at(where: Where) -> header.PutIfAbsent:
    """Return how control keeps a name that is taken, having tried it in a directory."""
    address = read_address(where.repository, None)
    return (
        "native" if isinstance(address, Container) else find_put_if_absent(address.path / "control")
    )


def places_at(where: Where, console: Console, *, of_environment: bool = True) -> Places:
    """Return the two places that the address names, whether anything is there or not."""
    sas = _sas(where.sas_file, SAS_VARIABLE if of_environment else None, console)
    address = read_address(where.repository, sas)
    match address:
        case Folder(path):
            return _in_folder(_checked_folder(path))
        case Container(url, given):
            variable = CONTROL_SAS_VARIABLE if of_environment else None
            control = _sas(where.control_sas_file, variable, console)
            of_control = read_address(f"{url}{CONTROL}", control or sas)
            assert isinstance(of_control, Container)  # noqa: S101 - made from one
            return _in_containers(Container(url, given), of_control)


def archive_tier_at(where: Where, console: Console) -> ArchiveTier:
    """Return the Archive tier of the data place, which is a container's."""
    address = read_address(where.repository, _sas(where.sas_file, SAS_VARIABLE, console))
    match address:
        case Folder():
            raise AssertionError("nothing in a directory is archived")
        case Container(url, sas):
            # As in `_in_containers`.
            from vmbackup_operator.services.repository_access import container_tier  # noqa: PLC0415

            return container_tier(url, sas)


def complain_of_log(repository: OpenedRepository, console: Console) -> bool:
    """Say what is damaged of the log; tell whether anything is: a point may be lost with it."""
    findings = repository.log_findings()
    for each in findings:
        text = f"log object {each.number}: {each.what}"
        console.complain(complaint("LogDamaged", text))
    return bool(findings)


#: What the name of the container of control ends in.
CONTROL = "-control"


def _sas(path: Path | None, variable: str | None, console: Console) -> str | None:
    if path is not None:
        return read_sas_file(path, console.complain)
    if variable is None:
        return None
    environment: Mapping[str, str] = os.environ
    return environment.get(variable) or None


def _in_folder(root: Path) -> Places:
    way = _put_if_absent(root)
    return Places(DirectoryStore(root / "data", way), DirectoryStore(root / "control", way))


def _in_containers(data: Container, control: Container) -> Places:
    # Azure's SDKs take a second to load, and no directory needs them.
    from vmbackup_operator.services.repository_access import container_store  # noqa: PLC0415

    return Places(container_store(data.url, data.sas), container_store(control.url, control.sas))


def _put_if_absent(root: Path) -> PutIfAbsent:
    """Return how the directory gives names, as its header says; what Azure's says is not kept."""
    for place in ("control", "data"):
        said = None
        with suppress(ObjectUnreadable):  # the other copy says it, too
            seen = header_in(DirectoryStore(root / place), FIRST_EPOCH)
            said = None if seen is None else header.read_header(seen).put_if_absent
        if said is not None and said != "native":
            return said
    return "link"


def _checked_folder(path: Path) -> Path:
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", reason="NoDirectory") from error
    if not is_folder:
        raise PermanentError(f"{path} is no directory", reason="NoDirectory")
    return path
