"""A worker's job of any kind: sealed and sent, its credentials renewed, its worker missed.

What a job holds and what its result comes to is for the step of its kind.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.protocol import Header, WorkJob, sealed_job, sealed_pointer
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker
from vmbackup_operator.naming import ArmId, launch_messages
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import Region
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.conversing import launch_of
from vmbackup_operator.sessions.steps.exporting import without_ends

#: The worker's word for a SAS that was refused, whose successor did not come in time.
_REFUSED = "AccessRefused"


def is_due(ground: Ground, worker: SessionWorker) -> bool:
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


async def watch_worker(
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
