"""DataVerified: a worker reads back what is due, job after job; each answer is judged here."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vmbackup_core.protocol import (
    PackRange,
    RepositoryAccess,
    SampleToRead,
    SectionsToOpen,
    VerifyJob,
    VerifyResult,
    read_result,
)
from vmbackup_core.repository.control.verify.verify_work import SampleOf, VerifyWork
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.session_findings import SessionWorker, VerifyingJob
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import (
    repository_of,
    resolved_of,
    run_of,
    verify_job,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.exporting import grants_of
from vmbackup_operator.sessions.steps.jobs import container_url, follow_worker, give_job
from vmbackup_operator.sessions.steps.repository import same_repository
from vmbackup_operator.verifications.asking import next_work
from vmbackup_operator.verifications.judging import concluded, judge_answer, verified_of
from vmbackup_operator.verifications.retained import without_lost


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
    if worker is not None and not worker.abandoned and worker.failure is not None:
        status = await without_lost(ground, session)
        if status is not None:
            return _without_job(status, worker)
    followed = await follow_worker(ground, session, _doing(job))
    return followed if isinstance(followed, Taken) else None


def _without_job(status: BackupSessionStatus, worker: SessionWorker) -> Taken:
    """Return that the job that failed is planned anew: a snapshot is gone that it may have read."""
    left = replace(status, worker=replace(worker, failure=None), verifying=None)
    return Taken(left, Waiting(0, "a snapshot is gone"))


def _doing(job: VerifyingJob) -> str:
    return f"reads back, job {job.number}"


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
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    sample = await _sample(ground, session, work.sample)
    if isinstance(sample, Taken):
        return sample
    until = _ends(ground, session, work.sample)
    asked = await _job(ground, session, work, job, sample)
    return await give_job(ground, session, home, asked, until, _doing(job))


async def _sample(
    ground: Ground, session: BackupSession, of: SampleOf | None
) -> SampleToRead | Taken | None:
    """Return which blocks the worker compares with which export; what is gone is left out."""
    if of is None:
        return None
    status = await without_lost(ground, session)
    if status is not None:
        return Taken(status, Waiting(0, "a snapshot is gone"))
    grants = await grants_of(ground, session)
    if isinstance(grants, Taken):
        return grants
    return SampleToRead(
        snapshot_url=grants[_export_of(session, of)].value,
        disk_bytes=of.disk_bytes,
        blocks=list(of.blocks),
        used=list(of.used),
    )


def _export_of(session: BackupSession, of: SampleOf) -> ArmId:
    """Return the id of the very snapshot: as its session found it, not as a manifest calls it."""
    retained = resolved_of(session).retained
    return next(
        ArmId(each.snapshot_id) for each in retained if each.unique_id == of.snapshot_unique_id
    )


def _ends(ground: Ground, session: BackupSession, of: SampleOf | None) -> datetime:
    """Return when the first of the ways ends that a job is given."""
    ends = [each.expires_at for each in session.status.exports] if of is not None else []
    return min([ground.repository_access_until(), *(end for end in ends if end is not None)])


async def _job(
    ground: Ground,
    session: BackupSession,
    work: VerifyWork,
    job: VerifyingJob,
    sample: SampleToRead | None,
) -> VerifyJob:
    """Return what the worker is asked to read, by a way that lists nothing and creates nothing."""
    manifest = work.at
    if manifest is None:
        raise AssertionError("nothing is read of a manifest that does not open")
    container = await container_url(ground, repository_of(session), "read_named")
    return VerifyJob(
        job_id=verify_job(session, job),
        run_id=run_of(session),
        chain_id=work.chain,
        keys=work.keys,
        repository=RepositoryAccess(container_url=container),
        read_bytes=work.read_bytes,
        packs=[PackRange(run.slot, run.session, run.first, run.last) for run in work.packs],
        manifest=manifest.name,
        manifest_sha256=manifest.sha256,
        sections=SectionsToOpen(work.so_far.slot) if work.sections else None,
        sample=sample,
    )
