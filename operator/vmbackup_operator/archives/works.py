"""What an archive session reads, and asks of the disks that it writes: the same in each step."""

from __future__ import annotations

from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.opened_restore import RestoreDisk, RestoreWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.findings import run_of, source_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer
from vmbackup_operator.sessions.steps.kept_works import kept_work
from vmbackup_operator.sessions.steps.repository import same_source


async def work_of(ground: Ground, session: BackupSession) -> RestoreWork | Answer:
    """Return the point as it is read, held for the session; what is to be waited for else."""

    async def plan() -> RestoreWork | Answer:
        repository = await same_source(ground, session)
        if not isinstance(repository, BackupRepository):
            return repository
        vm_id, point = ArmId(session.spec.virtual_machine_id), source_of(session).run_id
        run = run_of(session)
        return await ground.points_to_restore.plan(repository, vm_id, point, run, "archive")

    return await kept_work(ground, session, plan)


def disks_asked(session: BackupSession, work: RestoreWork) -> dict[str, DiskAsked]:
    """Return what is asked of each disk in the archive repository, by its position."""
    return {position_of(each.disk.lun): _asked(session, work, each) for each in work.disks}


def _asked(session: BackupSession, work: RestoreWork, given: RestoreDisk) -> DiskAsked:
    disk, point = given.disk, work.point
    return DiskAsked(
        run=run_of(session),
        snapshot_unique_id=disk.snapshot_unique_id,
        taken_at=given.taken_at,
        disk_bytes=disk.size_bytes,
        disk=SaidDisk(disk.id, disk.unique_id, disk.name, disk.lun),
        vm=SaidVm(point.vm_id, point.vm_name, point.vm_region),
        archive=True,
    )
