"""What a worker's events make of its session's status; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    NO_JOB,
    Applied,
    Done,
    Event,
    Failed,
    Header,
    Heartbeat,
    Hello,
    Progress,
    after,
    decide,
)
from vmbackup_core.protocol.limits import HEARTBEAT_S
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.progress import Progress as ProgressShown
from vmbackup_operator.model.session import Session, SessionStatus
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker
from vmbackup_operator.sessions.findings import current_job
from vmbackup_operator.sessions.results import moved_before, owes_result, with_result

#: A heartbeat is written when the last one written is so old; silence is counted in memory.
HEARTBEAT_WRITTEN = timedelta(seconds=4 * HEARTBEAT_S)


#: The schema's 64 bits.
MOST_BYTES = 2**63 - 1


def heard(session: Session, events: Iterable[tuple[Header, Event]], now: datetime) -> SessionStatus:
    """Return the session's status with *events*, which authenticated, applied in their order.

    Equal to the status that is stored where nothing of them needs to be: repeated ones, those of
    an earlier job, heartbeats that say nothing new.
    """
    status = session.status
    if status.worker is None or status.run_id is None:
        return status
    job = current_job(session) or NO_JOB
    now = now.replace(microsecond=0)
    for header, event in sorted(events, key=lambda each: each[0].sequence):
        status = _with(session, status, header, event, job, now)
    return status


def _with(
    session: Session,
    status: SessionStatus,
    header: Header,
    event: Event,
    job: JobId,
    now: datetime,
) -> SessionStatus:
    worker = status.worker
    if worker is None:
        return status
    applied = applied_by(worker, job)
    if decide(header, event, applied) != "Apply" or worker.launched_at is None:
        return status
    then = after(header, event, applied)
    counted = replace(
        worker,
        last_event_sequence=then.last_of_job,
        last_worker_sequence=then.last_of_worker,
        failed_sequence=then.last_failed,
        last_heartbeat_time=now,
    )
    match event:
        case Done() if owes_result(replace(session, status=status)):
            return with_result(session, replace(status, worker=counted), event.result)
        case Hello() | Heartbeat() | Done():
            return _alive(status, worker, counted, now)
        case Progress():
            return _moved(session, status, counted, event, now)
        case Failed():
            message = cut(event.message, MAX_MESSAGE)
            failure = JobFailure(event.reason, message, event.transient)
            return replace(status, worker=replace(counted, failure=failure))
        case never:
            assert_never(never)


def applied_by(worker: SessionWorker, job: JobId) -> Applied:
    """Return how far the conversation about *job* has come."""
    return Applied(
        worker.id,
        job,
        last_of_job=worker.last_event_sequence,
        last_of_worker=worker.last_worker_sequence,
        last_sent=worker.job_sequence,
        last_failed=worker.failed_sequence,
    )


def is_awaited(session: Session) -> bool:
    """Tell whether the worker's answer is awaited: its hello, or the end of its job."""
    worker = session.status.worker
    if worker is None or worker.launched_at is None:
        return False
    if worker.last_heartbeat_time is None or worker.last_heartbeat_time < worker.launched_at:
        return True
    return worker.job_sequence > 0 and worker.failure is None and owes_result(session)


def _alive(
    status: SessionStatus, worker: SessionWorker, counted: SessionWorker, now: datetime
) -> SessionStatus:
    """Return the status of a worker that lives; the one before where that is known well enough."""
    last, launched = worker.last_heartbeat_time, worker.launched_at
    first = last is None or (launched is not None and last < launched)
    if not first and last is not None and now - last < HEARTBEAT_WRITTEN:
        return status
    return replace(status, worker=counted)


def _moved(
    session: Session, status: SessionStatus, counted: SessionWorker, event: Progress, now: datetime
) -> SessionStatus:
    """Return the status of a job that has come so far; one that has ended has told more."""
    worker = status.worker
    if worker is not None and not owes_result(replace(session, status=status)):
        # The worker's heart said it while the job ended.
        return _alive(status, worker, counted, now)
    shown = _progress(session, event)
    moved = status.moved_time if shown == status.progress else now
    return replace(status, worker=counted, progress=shown, moved_time=moved)


def _progress(session: Session, event: Progress) -> ProgressShown:
    # 100 is said by the job's end alone: disks whose page lists are still read count nothing yet.
    percent = 100 * event.bytes_read // event.bytes_to_read if event.bytes_to_read else 0
    before = moved_before(session)
    return ProgressShown(
        percent=min(99, percent),
        bytes_to_read=min(before + event.bytes_to_read, MOST_BYTES),
        bytes_read=min(before + event.bytes_read, MOST_BYTES),
        bytes_stored=event.bytes_stored,
    )
