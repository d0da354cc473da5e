"""A worker's job of any kind: sealed and sent, its credentials renewed, its worker missed.

What a job holds and what its result comes to is for the step of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TypeAlias

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.protocol import Header, WorkJob, sealed_job, sealed_pointer
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import JobFailure, ResolvedRepository, SessionWorker
from vmbackup_operator.naming import ArmId, launch_messages
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.findings import worker_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.hearing import applied_by
from vmbackup_operator.sessions.ports import ContainerAccess
from vmbackup_operator.sessions.seen import Region, account_of
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.conversing import (
    conversation,
    launch_of,
    listen_to_worker,
)
from vmbackup_operator.sessions.steps.exporting import without_ends

#: What the failure of a session's job comes to.
Judge: TypeAlias = Callable[[Ground, Session, SessionWorker, JobFailure], Taken]

#: So soon a worker is looked at again that was just given its job.
_GIVEN_S = 5.0
#: The worker's word for a SAS that was refused, whose successor did not come in time.
_REFUSED = "AccessRefused"


def _is_due(ground: Ground, worker: SessionWorker) -> bool:
    """Tell whether the worker is to be sent its job: for the first time, or with fresh ways."""
    return worker.job_sequence == 0 or is_worn(ground, worker)


def is_worn(ground: Ground, worker: SessionWorker) -> bool:
    """Tell whether what the worker's job was given is to be renewed."""
    return ground.is_worn(worker.credentials_expire_at, ground.pacing.repository_access_s)


def judge_failure(
    ground: Ground,
    session: Session,
    worker: SessionWorker,
    failure: JobFailure,
    passing: Collection[str] = (),
) -> Taken:
    """Return what a job's *failure* comes to: another attempt where it may pass, else the end.

    Those of the reasons *passing* do, whatever the worker says.
    """
    message = f"worker {worker.id}: {failure.message}"
    if not failure.transient and failure.reason not in passing:
        return Taken(session.status, Failed(failure.reason, message))
    # The job is given again, with fresh credentials, to the same worker: it goes on from there.
    again = replace(worker, failure=None, credentials_expire_at=worker.launched_at)
    status = replace(session.status, worker=again)
    if failure.reason == _REFUSED:
        if is_worn(ground, worker):
            # Their renewal took longer than the worker waits: no failure of this attempt.
            return Taken(status, Waiting(0, "the worker's credentials are being renewed"))
        status = replace(status, exports=without_ends(status.exports))
        ground.signatures.forget_keys()
    return Taken(status, TryAgain(failure.reason, message))


async def follow_worker(
    ground: Ground, session: Session, doing: str, judge: Judge = judge_failure
) -> SessionWorker | Taken:
    """Return what is waited for or done about the worker that is *doing* the session's job.

    The worker itself where it is to be given the job, for the first time or anew. *judge* says what
    a failure comes to.
    """
    worker = session.status.worker
    if worker is None or worker.abandoned:
        lost = TryAgain("WorkerLost", "the session has lost its worker")
        return Taken(session.status, lost)
    if worker.failure is not None:
        return judge(ground, session, worker, worker.failure)
    listen_to_worker(ground, session, worker)
    if _is_due(ground, worker):
        return worker
    return await _watch_worker(ground, session, worker, _said(worker, doing))


async def give_job(
    ground: Ground,
    session: Session,
    home: Region,
    job: WorkJob,
    until: datetime,
    doing: str,
) -> Taken:
    """Put the job, with ways to talk, into the worker's queue, and return that it is *doing* it.

    What the job gives is good *until* then, and renewed before. Raise what `send_job` raises.
    """
    worker = worker_of(session)
    job = replace(job, conversation=await conversation(ground, home.account, worker))
    sequence = applied_by(worker, job.job_id).next_to_send
    await send_job(ground, home, worker, job, sequence)
    served = replace(worker, job_sequence=sequence, credentials_expire_at=until)
    status = replace(session.status, worker=served)
    return Taken(status, Waiting(_GIVEN_S, _said(worker, doing)))


async def container_url(
    ground: Ground, repository: ResolvedRepository, access: ContainerAccess
) -> str:
    """Return the way to the repository's container that a job gives its worker."""
    account, until = account_of(ArmId(repository.account_id)), ground.repository_access_until()
    url = await ground.signatures.container(account, repository.container, access, until)
    return url.value


def _said(worker: SessionWorker, doing: str) -> str:
    return f"worker {worker.id} {doing}"


async def _watch_worker(
    ground: Ground, session: Session, worker: SessionWorker, doing: str
) -> Taken:
    """Tell whether the worker still speaks; one that does not is looked at and replaced."""
    limit = timedelta(seconds=ground.pacing.worker_timeout_s)
    heard = worker.last_heartbeat_time or worker.launched_at
    silent = timedelta(0) if heard is None else ground.silence(worker.id, heard)
    if silent <= limit:
        left = (limit - silent).total_seconds()
        return Taken(session.status, Waiting(min(30.0, left + 1), doing))
    seen = await ground.workers.find(ArmId(worker.vm_id))
    state = "gone" if seen is None else seen.state
    ground.signatures.forget_keys()  # a worker whose queue refuses it can't say so
    message = (
        f"worker {worker.id} has been silent for {silent.total_seconds():.0f} s; its VM is {state}."
        " Another one goes on from what is stored"
    )
    return Taken(session.status, TryAgain("WorkerLost", message, abandons_worker=True))


async def send_job(
    ground: Ground, home: Region, worker: SessionWorker, job: WorkJob, sequence: int
) -> None:
    """Put the job, sealed, into the worker's queue; what is too large for it goes into a blob.

    Raise LostAttempt where there is no such queue any more: another launch has its own.
    """
    launch, key = launch_of(ground, worker)
    header = Header("job", worker.id, job.job_id, sequence)
    sealed = sealed_job(key, header, job)
    text = sealed.text
    if text is None:
        if sealed.blob is None:
            raise AssertionError("a sealed job is a text or a blob")
        name = f"{launch_messages(worker.id, launch)}{job.job_id}-{sequence}"
        until = ground.credentials_until()
        url = await ground.queues.spill(home.account, name, sealed.blob, until)
        text = sealed_pointer(key, header, url.value, sealed.blob)
    try:
        await ground.queues.put(home.account, worker.jobs_queue, text, ground.pacing.credentials_s)
    except PermanentError as error:
        if error.reason != "NotFound":
            raise
        raise LostAttempt(str(error), reason=error.reason) from error
