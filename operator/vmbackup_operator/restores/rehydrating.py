"""PacksRehydrated and CopiesRemoved: what lies in the Archive tier is copied, to be read.

No worker and no disk waits for it: it comes before both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened_restore import Archived, RestoreWork
from vmbackup_core.stores.archive_tier import Priority
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.restore_session import Rehydration, RestoreSession
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.planned import is_written, work_of
from vmbackup_operator.sessions.deadlines import PACKS_ARCHIVED
from vmbackup_operator.sessions.findings import restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.repository import same_repository

#: How long Azure may take, as it says; larger blobs than ours may take longer at high priority.
TAKES: Final[Mapping[Priority, timedelta]] = {
    "Standard": timedelta(hours=15),
    "High": timedelta(hours=1),
}
#: How often it is looked whether copies can be read: a listing of the chains and of the copies.
_LOOKED_AT_S = 60.0
_BEGUN_ON_S = 1.0


async def bring_packs_back(ground: Ground, session: RestoreSession) -> Taken:
    """Have archived packs of what is restored copied, and wait until the copies can be read."""
    status = session.status
    if is_written(session):
        return Taken(status, Done("what they hold is written"))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(status, repository)
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(status, work)
    found = await ground.points_to_restore.bring_back(
        repository, _wanted(session, work), run_of(session), session.spec.rehydration.priority
    )
    if isinstance(found, Waiting):
        return Taken(status, found)
    return _judged(ground, session, found)


async def remove_copies(ground: Ground, session: RestoreSession) -> Taken:
    """Delete what was copied for the session, whether that was written down or not."""
    if session.status.resolved is None:
        return Taken(session.status, Done("nothing was copied"))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    removed = await ground.points_to_restore.remove_copies(repository, run_of(session))
    if isinstance(removed, Waiting):
        return Taken(session.status, removed)
    message = f"removed: {counted(removed, 'pack')}" if removed else "no copy is left"
    return Taken(session.status, Done(message))


def _wanted(session: RestoreSession, work: RestoreWork) -> RecoveryPoint:
    """Return the point with those of its disks that are restored."""
    wanted = {each.disk for each in restored_of(session).disks}
    disks = tuple(each for each in work.point.disks if position_of(each.lun) in wanted)
    return replace(work.point, disks=disks)


def _judged(ground: Ground, session: RestoreSession, found: Archived) -> Taken:
    status = session.status
    if not found.packs:
        return Taken(status, Done("nothing of it is in the Archive tier"))
    now = ground.clock.now().replace(microsecond=0)
    takes = TAKES[session.spec.rehydration.priority]
    before = status.rehydration or Rehydration(0, 0, 0, now, now + takes)
    if found.missing:  # the last of them is asked for later
        before = replace(before, expected_by=now + takes)
    told = replace(before, packs=found.packs, size_bytes=found.size_bytes, back=found.back)
    status = replace(status, rehydration=told)
    packs = f"{counted(found.packs, 'pack')} ({amount(found.size_bytes)})"
    if found.is_readable:
        return Taken(status, Done(f"{packs} of the Archive tier can be read"))
    message = (
        f"{packs} in the Archive tier: {found.back} copied, the last by "
        f"{told.expected_by:%Y-%m-%dT%H:%MZ}"
    )
    seconds = _BEGUN_ON_S if found.missing else _LOOKED_AT_S
    return Taken(status, Waiting(seconds, message, reason=PACKS_ARCHIVED))
