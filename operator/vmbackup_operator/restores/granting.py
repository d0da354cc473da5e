"""AccessGranted: each disk can be written to by its SAS, and over private endpoints only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from vmbackup_core.errors import RefusedForNow
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.planned import is_written
from vmbackup_operator.sessions.findings import restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SecretUrl
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.exporting import EVERYWHERE, FULL_FOR


async def grant_access(ground: Ground, session: RestoreSession) -> Taken:
    """Have access to every disk granted."""
    if is_written(session):
        return Taken(session.status, Done("their content is whole"))
    grants = await grants_of(ground, session)
    if isinstance(grants, Taken):
        return grants
    return Taken(session.status, Done(f"granted: {counted(len(grants), 'disk')}"))


async def grants_of(ground: Ground, session: RestoreSession) -> Mapping[ArmId, SecretUrl] | Taken:
    """Return each disk's SAS by its id, or what to write and wait for until there are all.

    Asked for again, after a restart, Azure gives out the same one.
    """
    disks = restored_of(session).disks
    owed = [each for each in disks if ArmId(each.disk_id) not in ground.grants]
    refused = await asyncio.gather(*(_grant(ground, session, each) for each in owed))
    full = [(disk, error) for disk, error in zip(owed, refused, strict=True) if error is not None]
    if full:
        return _with_another_access(ground, session, full)
    ids = [ArmId(each.disk_id) for each in disks]
    if any(each not in ground.grants for each in ids):
        return Taken(session.status, Waiting(1, "access to the disks is being granted"))
    return {each: ground.grants[each] for each in ids}


async def _grant(
    ground: Ground, session: RestoreSession, disk: RestoredDisk
) -> RefusedForNow | None:
    """Ask for access to the disk; returned is a refusal that another way in may not give."""
    disk_id, now = ArmId(disk.disk_id), ground.clock.now()
    ground.closed.discard(disk_id)
    left = (disk.expires_at or now) - now
    duration_s = int(max(left, timedelta(minutes=10)).total_seconds())
    try:
        url = await ground.disks.grant(disk_id, run_of(session), duration_s)
    except RefusedForNow as error:
        if disk.disk_access_id is None or error.reason in EVERYWHERE:
            raise
        return error
    if url is not None:
        ground.grants[disk_id] = url
    return None


def _with_another_access(
    ground: Ground, session: RestoreSession, refused: list[tuple[RestoredDisk, RefusedForNow]]
) -> Taken:
    """Let go of the disk accesses that refused: the disks are made anew, behind others.

    Nothing was written to them. Azure says the same of one that is full and of a few other things.
    """
    for disk, _ in refused:
        ground.full[folded(disk.disk_access_id or "")] = ground.clock.now() + FULL_FOR
    moving = [disk for disk, _ in refused]
    restored = restored_of(session)
    disks = tuple(
        replace(each, disk_access_id=None, expires_at=None) if each in moving else each
        for each in restored.disks
    )
    status = replace(session.status, restored=replace(restored, disks=disks))
    error = refused[0][1]
    return Taken(status, TryAgain(error.reason, str(error)))
