"""The work of a restore and its plan: asked of the repository once, and kept while it is used."""

from __future__ import annotations

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import ArmId
from vmbackup_operator.restores.digests import check_accepted
from vmbackup_operator.restores.planning.plan import plan_restore, read_description
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.sessions.findings import restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer
from vmbackup_operator.sessions.steps.kept_works import kept_work
from vmbackup_operator.sessions.steps.repository import same_repository


async def work_of(ground: Ground, session: RestoreSession) -> RestoreWork | Answer:
    """Return what restores the session's point, held for it; what is to be waited for else."""

    async def plan() -> RestoreWork | Answer:
        repository = await same_repository(ground, session)
        if not isinstance(repository, BackupRepository):
            return repository
        point = restored_of(session).recovery_point
        vm_id, run = ArmId(point.virtual_machine_id), run_of(session)
        return await ground.points_to_restore.plan(repository, vm_id, point.run_id, run)

    return await kept_work(ground, session, plan)


def plan_of(session: RestoreSession, work: RestoreWork) -> Planned:
    """Return what the session makes of *work*: the same whenever it is asked for.

    PermanentError where it is not what was accepted.
    """
    point = work.point
    description = read_description(point.vm_description)
    planned = plan_restore(description, point.disks, session.spec, run_of(session))
    return check_accepted(planned, restored_of(session).plan_digest)


def disks_of(planned: Planned, work: RestoreWork) -> tuple[RestoredDisk, ...]:
    """Return the disks of the plan as a status has them before anything is made."""
    used = {position_of(each.disk.lun): each.used_bytes for each in work.disks}
    return tuple(
        RestoredDisk(each.position, each.id, each.size_bytes, used.get(each.position, 0))
        for each in planned.disks
    )


def is_written(session: RestoreSession) -> bool:
    """Tell whether the content of the session's disks is whole: they are not made again then."""
    return is_true(session.status.conditions, "DataRestored")
