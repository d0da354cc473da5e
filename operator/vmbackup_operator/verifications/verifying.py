"""DataVerified: a worker reads back what is due, job after job; each answer is judged here."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_core.protocol import (
    PackRange,
    RepositoryAccess,
    SectionsToOpen,
    VerifyJob,
    VerifyResult,
    read_result,
)
from vmbackup_core.repository.control.verify_work import VerifyWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session_findings import SessionWorker, VerifyingJob
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import repository_of, run_of, verify_job, worker_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.hearing import applied_by
from vmbackup_operator.sessions.seen import account_of
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.conversing import conversation, listen_to_worker
from vmbackup_operator.sessions.steps.jobs import is_due, judge_failure, send_job, watch_worker
from vmbackup_operator.sessions.steps.repository import same_repository
from vmbackup_operator.verifications.asking import next_work
from vmbackup_operator.verifications.judging import concluded, judge_answer, verified_of


async def read_back(ground: Ground, session: BackupSession) -> Taken:
    """Give the next job, or wait for its result, or judge it; Done once nothing is due any more."""
    job = session.status.verifying
    if job is not None and job.result is None:
        busy = await _under_way(ground, session, job)
        if busy is not None:
            return busy
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    work = await next_work(ground, session, repository)
    match work:
        case Waiting():
            return Taken(session.status, work)
        case None:
            status = concluded(session)
            return Taken(status, Done(status.achieved))
        case _:
            return await _work_on(ground, session, repository, work)


async def _work_on(
    ground: Ground, session: BackupSession, repository: BackupRepository, work: VerifyWork
) -> Taken:
    """Begin the job of *work*, give it, or judge its answer: whichever is next."""
    job = session.status.verifying
    if job is None or job.fingerprint != work.fingerprint:
        return _begin_job(session, work)
    if job.result is None and work.is_for_worker:
        return await _give_job(ground, session, work, job)
    return await judge_answer(ground, session, repository, work, _result_of(job))


async def _under_way(ground: Ground, session: BackupSession, job: VerifyingJob) -> Taken | None:
    """Return what is to be waited for or done about the job's worker; None: it is sent its job."""
    worker = session.status.worker
    if worker is None or worker.abandoned:
        lost = TryAgain("WorkerLost", "the session has lost its worker")
        return Taken(session.status, lost)
    if worker.failure is not None:
        return judge_failure(ground, session, worker, worker.failure)
    listen_to_worker(ground, session, worker)
    if is_due(ground, worker):
        return None
    return await watch_worker(ground, session, worker, _doing(worker, job))


def _doing(worker: SessionWorker, job: VerifyingJob) -> str:
    return f"worker {worker.id} reads back, job {job.number}"


def _result_of(job: VerifyingJob) -> VerifyResult | None:
    if job.result is None:
        return None
    match read_result(job.result.encode()):
        case VerifyResult() as result:
            return result
        case _:
            raise AssertionError("only a verification's result is kept as one")


def _begin_job(session: BackupSession, work: VerifyWork) -> Taken:
    """Write down which job is given next: its answers are told from all others by its id."""
    verified = verified_of(session)
    number = verified.jobs + 1
    worker = session.status.worker
    if worker is not None:
        # Numbers count by job.
        worker = replace(
            worker,
            job_sequence=0,
            failed_sequence=0,
            last_event_sequence=0,
            credentials_expire_at=None,
            failure=None,
        )
    status = replace(
        session.status,
        worker=worker,
        verified=replace(verified, jobs=number),
        verifying=VerifyingJob(number, work.fingerprint),
    )
    return Taken(status, Waiting(0, f"job {number} is given"))


async def _give_job(
    ground: Ground, session: BackupSession, work: VerifyWork, job: VerifyingJob
) -> Taken:
    """Seal the job with credentials that are good for a while, and put it in the worker's queue."""
    worker = worker_of(session)
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    until = ground.repository_access_until()
    asked = await _job(ground, session, work, job)
    asked = replace(asked, conversation=await conversation(ground, home.account, worker))
    sequence = applied_by(worker, asked.job_id).next_to_send
    await send_job(ground, home, worker, asked, sequence)
    served = replace(worker, job_sequence=sequence, credentials_expire_at=until)
    return Taken(replace(session.status, worker=served), Waiting(5, _doing(worker, job)))


async def _job(
    ground: Ground, session: BackupSession, work: VerifyWork, job: VerifyingJob
) -> VerifyJob:
    """Return what the worker is asked to read, by a way that lists nothing and creates nothing."""
    found, manifest = repository_of(session), work.at
    if manifest is None:
        raise AssertionError("nothing is read of a manifest that does not open")
    account = account_of(ArmId(found.account_id))
    until = ground.repository_access_until()
    container = await ground.signatures.container(account, found.container, "read_named", until)
    return VerifyJob(
        job_id=verify_job(session, job),
        run_id=run_of(session),
        chain_id=work.chain,
        keys=work.keys,
        repository=RepositoryAccess(container_url=container.value),
        read_bytes=work.read_bytes,
        packs=[PackRange(run.slot, run.session, run.first, run.last) for run in work.packs],
        manifest=manifest.name,
        manifest_sha256=manifest.sha256,
        sections=SectionsToOpen(work.so_far.slot) if work.sections else None,
    )
