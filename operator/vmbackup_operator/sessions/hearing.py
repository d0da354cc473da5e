"""What a worker's events make of its session's status; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    NO_JOB,
    Applied,
    BackupResult,
    DiskDone,
    Done,
    Event,
    Failed,
    Header,
    Heartbeat,
    Hello,
    Progress,
    VerifyResult,
    after,
    decide,
    write_message,
)
from vmbackup_core.protocol.limits import HEARTBEAT_S
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.model.progress import Progress as ProgressShown
from vmbackup_operator.model.session_findings import (
    DiskResult,
    JobFailure,
    ResolvedDisk,
    SessionWorker,
)
from vmbackup_operator.naming import same_id
from vmbackup_operator.sessions.findings import current_job

#: A heartbeat is written when the last one written is so old; silence is counted in memory.
HEARTBEAT_WRITTEN = timedelta(seconds=4 * HEARTBEAT_S)


#: The schema's 64 bits.
MOST_BYTES = 2**63 - 1


def heard(
    session: BackupSession, events: Iterable[tuple[Header, Event]], now: datetime
) -> BackupSessionStatus:
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
    session: BackupSession,
    status: BackupSessionStatus,
    header: Header,
    event: Event,
    job: JobId,
    now: datetime,
) -> BackupSessionStatus:
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
        case Hello() | Heartbeat():
            return _alive(status, worker, counted, now)
        case Progress():
            shown, before = _progress(session, event), status.progress
            moved = status.moved_time if shown == before else now
            return replace(status, worker=counted, progress=shown, moved_time=moved)
        case Done():
            return _done(session, replace(status, worker=counted), event)
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


def is_awaited(session: BackupSession) -> bool:
    """Tell whether the worker's answer is awaited: its hello, or the end of its job."""
    worker = session.status.worker
    if worker is None or worker.launched_at is None:
        return False
    if worker.last_heartbeat_time is None or worker.last_heartbeat_time < worker.launched_at:
        return True
    return worker.job_sequence > 0 and worker.failure is None and _owes_result(session)


def _owes_result(session: BackupSession) -> bool:
    """Tell whether the session's job has no result yet."""
    status = session.status
    if session.spec.type == "Verify":
        return status.verifying is not None and status.verifying.result is None
    known = () if status.resolved is None else status.resolved.disks
    return bool({disk.position for disk in known} - status.written)


def _alive(
    status: BackupSessionStatus, worker: SessionWorker, counted: SessionWorker, now: datetime
) -> BackupSessionStatus:
    """Return the status of a worker that lives; the one before where that is known well enough."""
    last, launched = worker.last_heartbeat_time, worker.launched_at
    first = last is None or (launched is not None and last < launched)
    if not first and last is not None and now - last < HEARTBEAT_WRITTEN:
        return status
    return replace(status, worker=counted)


def _progress(session: BackupSession, event: Progress) -> ProgressShown:
    # 100 is said by the job's end alone: disks whose page lists are still read count nothing yet.
    percent = 100 * event.bytes_read // event.bytes_to_read if event.bytes_to_read else 0
    verified = session.status.verified
    before = 0 if verified is None else verified.bytes
    return ProgressShown(
        percent=min(99, percent),
        bytes_to_read=min(before + event.bytes_to_read, MOST_BYTES),
        bytes_read=min(before + event.bytes_read, MOST_BYTES),
        bytes_stored=event.bytes_stored,
    )


def _done(session: BackupSession, status: BackupSessionStatus, event: Done) -> BackupSessionStatus:
    """Return the status with the worker's word, of the kind of result that the session awaits."""
    match session.spec.type, event.result:
        case "Verify", VerifyResult() as said:
            return _read_back(status, said)
        case "Backup", BackupResult() as said:
            return _written(session, status, said)
        case kind, None:
            detail = f"the result of a job of {kind} is in its message"
            raise PermanentError(detail, reason="BadMessage")
        case kind, _:
            raise PermanentError(f"another result than one of {kind}", reason="BadMessage")


def _read_back(status: BackupSessionStatus, said: VerifyResult) -> BackupSessionStatus:
    """Return the status with the worker's word of its job, which is still to be judged."""
    job = status.verifying
    if job is None:
        raise AssertionError("an event of no job was applied")
    text = write_message(said).decode()
    return replace(status, verifying=replace(job, result=text))


def _written(
    session: BackupSession, status: BackupSessionStatus, said: BackupResult
) -> BackupSessionStatus:
    """Return the status with the worker's word of each disk; what is committed stays as it is."""
    resolved = session.status.resolved
    known = () if resolved is None else resolved.disks
    results = {result.disk: result for result in status.disks if result.is_committed}
    for done in said.disks:
        disk = next((disk for disk in known if same_id(disk.id, done.disk_id)), None)
        if disk is not None:
            results.setdefault(disk.position, _word_of(disk, done))
    read_bytes = sum(result.read_bytes for result in results.values())
    stored = 0 if status.progress is None else status.progress.bytes_stored
    return replace(
        status,
        disks=tuple(results.values()),
        progress=ProgressShown(
            percent=100,
            bytes_to_read=read_bytes,
            bytes_read=read_bytes,
            bytes_stored=stored,
        ),
    )


def _word_of(disk: ResolvedDisk, done: DiskDone) -> DiskResult:
    return DiskResult(
        disk=disk.position,
        manifest=done.manifest,
        manifest_sha256=done.manifest_sha256,
        read_bytes=_read_bytes(done),
        new_blocks=done.statistics.new_blocks,
    )


def _read_bytes(done: DiskDone) -> int:
    """Return what was read of a disk: its statistics count whole blocks, read or not."""
    whole_blocks = done.statistics.read_bytes
    return whole_blocks if done.allocated_bytes is None else min(whole_blocks, done.allocated_bytes)
