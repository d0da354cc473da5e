"""DisksCreated: an empty disk for each that is restored, ready to take its content privately."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.planned import is_written, plan_of, work_of
from vmbackup_operator.restores.planning.planned import DiskWanted
from vmbackup_operator.sessions.deadlines import time_left
from vmbackup_operator.sessions.findings import restored_of, run_of, worker_region
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.restore_ports import DiskToMake
from vmbackup_operator.sessions.seen import Region
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.exporting import disk_accesses_ready, share_out

#: How much longer than the session may last a disk can be written to: clocks differ.
_LONGER = timedelta(hours=1)


async def create_disks(ground: Ground, session: RestoreSession) -> Taken:
    """Have every disk of the plan made; one whose upload ended too soon is made anew."""
    if is_written(session):
        return Taken(session.status, Done("their content is whole"))
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    region = await ground.regions.recall(worker_region(session))
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    disks = restored_of(session).disks
    if any(disk.expires_at is None for disk in disks):
        return await _allot(ground, session, region)
    waiting = await disk_accesses_ready(ground, region, {each.disk_access_id for each in disks})
    answer = waiting or await _make_all(ground, session, work)
    return Taken(session.status, answer)


async def _make_all(ground: Ground, session: RestoreSession, work: RestoreWork) -> Done | Waiting:
    """Have every disk made, each behind its disk access."""
    disks = restored_of(session).disks
    planned = {folded(each.id): each for each in plan_of(session, work).disks}
    wanted = [_to_make(session, disk, planned[folded(disk.disk_id)]) for disk in disks]
    made = await asyncio.gather(*(_make(ground, each) for each in wanted))
    if not all(made):
        left = counted(len(made) - sum(made), "disk")
        return Waiting(2, f"Azure makes {left}")
    return Done(f"made: {counted(len(disks), 'disk')}")


async def _allot(ground: Ground, session: RestoreSession, region: Region) -> Taken:
    """Give each disk its disk access, and write down until when it can be written to.

    There is one grant for a disk: when access ends its upload is over. So it lasts as long as the
    session may.
    """
    restored = restored_of(session)
    now = ground.clock.now().replace(microsecond=0)
    until = now + _LONGER + (time_left(session, now) or timedelta(0))
    through: Mapping[ArmId, ArmId] = {}
    if region.private:
        ids = [ArmId(each.disk_id) for each in restored.disks if each.expires_at is None]
        through = await share_out(ground, session, region, ids)
    disks = tuple(
        each
        if each.expires_at is not None
        else replace(each, disk_access_id=through.get(ArmId(each.disk_id)), expires_at=until)
        for each in restored.disks
    )
    status = replace(session.status, restored=replace(restored, disks=disks))
    return Taken(status, Waiting(0, f"{counted(len(disks), 'disk')} to be made"))


def _to_make(session: RestoreSession, disk: RestoredDisk, wanted: DiskWanted) -> DiskToMake:
    access = disk.disk_access_id
    return DiskToMake(
        id=wanted.id,
        run_id=run_of(session),
        size_bytes=wanted.size_bytes,
        disk_access_id=None if access is None else ArmId(access),
        body=wanted.body,
        creation_data=wanted.creation_data,
    )


async def _make(ground: Ground, wanted: DiskToMake) -> bool:
    """Ask for the disk unless it is there; tell whether it takes its content."""
    seen = await ground.disks.find(wanted.id)
    if seen is None:
        await ground.disks.request(wanted)
        return False
    if seen.run_id != wanted.run_id:
        why = seen.doubt or f"it was made by run {seen.run_id}"
        message = f"there is a disk {wanted.id} that is not this session's: {why}"
        raise PermanentError(message, reason="NameTaken")
    if seen.failure is not None:
        await ground.disks.delete(wanted.id, wanted.run_id)
        raise LostAttempt(f"disk {wanted.id}: {seen.failure}", reason="DiskFailed")
    if not seen.ready:
        return False
    access = (seen.disk_access_id, wanted.disk_access_id)
    if seen.takes_upload and folded(access[0] or "") == folded(access[1] or ""):
        return True
    await ground.disks.delete(wanted.id, wanted.run_id)
    return False
