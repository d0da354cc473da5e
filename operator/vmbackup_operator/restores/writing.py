"""DataRestored: a worker writes what the recovery point holds into the disks."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from vmbackup_core.protocol import DiskToRestore, HealedPack, RepositoryAccess, RestoreJob
from vmbackup_core.repository.opened_restore import RestoreDisk, RestoreWork
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
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
from vmbackup_operator.sessions.hearing import applied_by
from vmbackup_operator.sessions.results import owes_result
from vmbackup_operator.sessions.seen import SecretUrl, account_of
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.conversing import conversation, listen_to_worker
from vmbackup_operator.sessions.steps.jobs import is_due, judge_failure, send_job, watch_worker

#: What another attempt mends, whatever the worker says of it: a disk whose upload was ended, or
#: that is not as large as it was asked for, is made anew.
_MADE_ANEW = frozenset({"UploadRefused"})


async def restore_data(ground: Ground, session: RestoreSession) -> Taken:
    """Give the worker its job and wait for its result; replace it where it has fallen silent."""
    status = session.status
    if not owes_result(session):
        return Taken(status, Done(_written(session)))
    worker = status.worker
    if worker is None or worker.abandoned:
        return Taken(status, TryAgain("WorkerLost", "the session has lost its worker"))
    if worker.failure is not None:
        return _judge(ground, session, worker, worker.failure)
    listen_to_worker(ground, session, worker)
    if is_due(ground, worker):
        return await _give_job(ground, session, worker)
    return await watch_worker(ground, session, worker, _writing(session, worker))


def _judge(
    ground: Ground, session: RestoreSession, worker: SessionWorker, failure: JobFailure
) -> Taken:
    """Judge the job's failure; its SAS are asked for anew: Azure gives the same ones, or none."""
    for disk in restored_of(session).disks:
        ground.grants.pop(ArmId(disk.disk_id), None)
    return judge_failure(ground, session, worker, failure, _MADE_ANEW)


def _written(session: RestoreSession) -> str:
    disks = restored_of(session).disks
    total = sum(each.written_bytes or 0 for each in disks)
    return f"written: {counted(len(disks), 'disk')}, {amount(total)}"


def _writing(session: RestoreSession, worker: SessionWorker) -> str:
    return f"worker {worker.id} writes {counted(len(restored_of(session).disks), 'disk')}"


async def _give_job(ground: Ground, session: RestoreSession, worker: SessionWorker) -> Taken:
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
    job = replace(job, conversation=await conversation(ground, home.account, worker))
    sequence = applied_by(worker, job.job_id).next_to_send
    await send_job(ground, home, worker, job, sequence)
    served = replace(worker, job_sequence=sequence, credentials_expire_at=until)
    return Taken(replace(session.status, worker=served), Waiting(5, _writing(session, worker)))


async def _job(
    ground: Ground, session: RestoreSession, work: RestoreWork, grants: Mapping[ArmId, SecretUrl]
) -> RestoreJob:
    """Return what the worker is asked to write, by a way that lists nothing and creates nothing."""
    found = repository_of(session)
    account = account_of(ArmId(found.account_id))
    until = ground.repository_access_until()
    container = await ground.signatures.container(account, found.container, "read_named", until)
    by_position = {position_of(each.disk.lun): each for each in work.disks}
    return RestoreJob(
        job_id=restore_job(session),
        run_id=run_of(session),
        disks=[
            _disk(disk, by_position[disk.disk], grants[ArmId(disk.disk_id)])
            for disk in restored_of(session).disks
        ],
        repository=RepositoryAccess(container_url=container.value),
    )


def _disk(target: RestoredDisk, source: RestoreDisk, url: SecretUrl) -> DiskToRestore:
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
        target_url=url.value,
        target_bytes=target.size_bytes,
    )
