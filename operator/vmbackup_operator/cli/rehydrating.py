"""``vmbackup repository rehydrate``: packs of a recovery point come back from the Archive tier."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.points.catalog import DAMAGE
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.opened_restore import Archived, Restores
from vmbackup_core.stores.port import CredentialsRefused
from vmbackup_operator.cli import complaints
from vmbackup_operator.cli.chosen_point import chosen_point
from vmbackup_operator.cli.commands import Rehydrate
from vmbackup_operator.cli.opening import archive_tier_at, open_at
from vmbackup_operator.cli.printing import Console, number_of, size


def rehydrate(asked: Rehydrate, console: Console) -> int:
    """Have what is archived copied to where restore reads it, or the copies removed; say so."""
    repository = open_at(asked.where, console)
    point, is_sure = chosen_point(repository, asked.where, asked.point, asked.vm, console)
    restores = Restores(repository.work)
    if asked.remove:
        _write_removed(restores.remove_copies(point.run_id), point, asked, console)
    else:
        found = restores.look_at_archived(point, point.run_id)
        if found.missing:
            tier = archive_tier_at(asked.where, console)
            found = restores.bring_back(tier, point, point.run_id, asked.priority)
        _write(found, point, asked, console)
    return complaints.GOOD if is_sure else complaints.DAMAGE


def check_online(repository: OpenedRepository, point: RecoveryPoint) -> None:
    """Raise where a pack of *point* can't be read yet: a restore would end at the first one."""
    try:
        found = Restores(repository.work).look_at_archived(point, point.run_id)
    except (*DAMAGE, CredentialsRefused):
        return  # what says so is damaged, or may not be listed: the restore itself may do without
    if not found.is_readable:
        raise PermanentError(
            f"recovery point {point.run_id}: {_said(found)}", reason="PacksArchived"
        )


def _write(found: Archived, point: RecoveryPoint, asked: Rehydrate, console: Console) -> None:
    if asked.where.output == "json":
        said = {
            "runId": point.run_id,
            "packs": found.packs,
            "sizeBytes": found.size_bytes,
            "back": found.back,
            "underWay": found.under_way,
        }
        console.write_json(said)
        return
    console.write_line(f"recovery point {point.run_id}: {_said(found)}")
    if found.under_way:
        console.write_line(
            "a copy takes Azure up to 15 hours, or one at high priority; this command, typed again,"
            " says how far they are"
        )
    elif found.packs:
        console.write_line("restore reads the copies; --remove deletes them afterwards")


def _said(found: Archived) -> str:
    if not found.packs:
        return "nothing of it is in the Archive tier"
    packs = f"{number_of(found.packs, 'pack')} ({size(found.size_bytes)}) in the Archive tier"
    return f"{packs}; of the copies {found.back} can be read, {found.under_way} are on their way"


def _write_removed(count: int, point: RecoveryPoint, asked: Rehydrate, console: Console) -> None:
    if asked.where.output == "json":
        console.write_json({"runId": point.run_id, "removed": count})
        return
    copies = "1 copy" if count == 1 else f"{count} copies"
    console.write_line(f"recovery point {point.run_id}: {copies} removed")
