"""DataRestored: a worker writes what the recovery point holds into the disks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from vmbackup_core.protocol import DiskToRestore, HealedPack, RepositoryAccess, RestoreJob
from vmbackup_core.repository.opened_restore import RestoreDisk, RestoreWork
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker, position_of
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.granting import grants_of
from vmbackup_operator.restores.planned import work_of
from vmbackup_operator.sessions.findings import (
    repository_of,
    restore_job,
    restored_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.results import owes_result
from vmbackup_operator.sessions.seen import SecretUrl
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.jobs import (
    container_url,
    follow_worker,
    give_job,
    judge_failure,
)

#: What another attempt mends, whatever the worker says of it: a disk whose upload was ended, or
#: that is not as large as it was asked for, is made anew.
_MADE_ANEW = frozenset({"UploadRefused"})


async def restore_data(ground: Ground, session: RestoreSession) -> Taken:
    """Give the worker its job and wait for its result; replace it where it has fallen silent."""
    status = session.status
    if not owes_result(session):
        return Taken(status, Done(_written(session)))
    judge = partial(_judge, restored_of(session).disks)
    worker = await follow_worker(ground, session, _writing(session), judge)
    return worker if isinstance(worker, Taken) else await _give_job(ground, session)


def _judge(
    disks: Iterable[RestoredDisk],
    ground: Ground,
    session: Session,
    worker: SessionWorker,
    failure: JobFailure,
) -> Taken:
    """Judge the job's failure; its SAS are asked for anew: Azure gives the same ones, or none."""
    for disk in disks:
        ground.grants.pop(ArmId(disk.disk_id), None)
    return judge_failure(ground, session, worker, failure, _MADE_ANEW)


def _written(session: RestoreSession) -> str:
    disks = restored_of(session).disks
    total = sum(each.written_bytes or 0 for each in disks)
    return f"written: {counted(len(disks), 'disk')}, {amount(total)}"


def _writing(session: RestoreSession) -> str:
    return f"writes {counted(len(restored_of(session).disks), 'disk')}"


async def _give_job(ground: Ground, session: RestoreSession) -> Taken:
    """Seal the job with credentials that are good for a while, and put it in the worker's queue."""
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    grants = await grants_of(ground, session)
    if isinstance(grants, Taken):
        return grants
    until = ground.repository_access_until()
    job = await _job(ground, session, work, grants)
    return await give_job(ground, session, home, job, until, _writing(session))


async def _job(
    ground: Ground, session: RestoreSession, work: RestoreWork, grants: Mapping[ArmId, SecretUrl]
) -> RestoreJob:
    """Return what the worker is asked to write, by a way that lists nothing and creates nothing."""
    container = await container_url(ground, repository_of(session), "read_named")
    by_position = {position_of(each.disk.lun): each for each in work.disks}
    return RestoreJob(
        job_id=restore_job(session),
        run_id=run_of(session),
        disks=[
            to_restore(disk, by_position[disk.disk], url=grants[ArmId(disk.disk_id)].value)
            for disk in restored_of(session).disks
        ],
        repository=RepositoryAccess(container_url=container),
    )


def to_restore(
    target: RestoredDisk, source: RestoreDisk, *, url: str | None = None, lun: int | None = None
) -> DiskToRestore:
    """Return what a job says of one disk, whose target is behind a URL or at a LUN."""
    said = source.disk
    return DiskToRestore(
        disk_id=target.disk_id,
        chain_id=said.chain_id,
        keys=source.keys,
        manifest=source.manifest_name,
        manifest_sha256=source.manifest_sha256,
        slot=said.slot,
        unique_id=said.unique_id,
        snapshot_unique_id=said.snapshot_unique_id,
        disk_bytes=said.size_bytes,
        healed=[HealedPack.of(each) for each in source.healed],
        target_url=url,
        target_bytes=target.size_bytes,
        target_lun=lun,
    )
