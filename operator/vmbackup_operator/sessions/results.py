"""What a worker's result makes of the status of a session of its kind; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import (
    FALLBACK_REASONS,
    ArchiveResult,
    BackupResult,
    DiskDone,
    RestoreResult,
    VerifyResult,
    write_message,
)
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.progress import Progress as ProgressShown
from vmbackup_operator.model.restore_session import RestoreSession, RestoreSessionStatus
from vmbackup_operator.model.session import Session, SessionStatus
from vmbackup_operator.model.session_findings import DiskResult, FullRead, ResolvedDisk, position_of
from vmbackup_operator.naming import same_id
from vmbackup_operator.sessions.seen import PointSeen

#: What a job's end may hold; None where it lies in its message.
JobResult: TypeAlias = BackupResult | VerifyResult | RestoreResult | ArchiveResult | None


def with_result(session: Session, status: SessionStatus, said: JobResult) -> SessionStatus:
    """Return the status with the worker's word, of the kind of result that the session awaits."""
    match session, status, said:
        case BackupSession(), BackupSessionStatus(), _:
            return _of_backup_session(session, status, said)
        case RestoreSession(), RestoreSessionStatus(), RestoreResult():
            return _restored(status, said)
        case _:
            raise _unfit(session.kind, said)


def results_of(point: PointSeen) -> tuple[DiskResult, ...]:
    """Return of each disk of a point that there is already what a session of it would have."""
    return tuple(
        DiskResult(
            disk=position_of(disk.lun),
            manifest=disk.manifest_name,
            manifest_sha256=disk.manifest_sha256,
            read_bytes=disk.read_bytes,
            stored_bytes=disk.stored_bytes,
            chain_id=disk.chain_id,
            slot=disk.slot,
            commit_digest=disk.commit_sha256,
        )
        for disk in point.disks
    )


def owes_result(session: Session) -> bool:
    """Tell whether the session's job has no result yet."""
    match session:
        case RestoreSession():
            restored = session.status.restored
            return restored is not None and any(
                disk.written_bytes is None for disk in restored.disks
            )
        case BackupSession() if session.spec.type == "Verify":
            job = session.status.verifying
            return job is not None and job.result is None
        case BackupSession():
            resolved = session.status.resolved
            known = () if resolved is None else resolved.disks
            return bool({disk.position for disk in known} - session.status.written)
        case _:
            return False


def moved_before(session: Session) -> int:
    """Return how many bytes the session's jobs before this one have moved."""
    verified = session.status.verified if isinstance(session, BackupSession) else None
    return 0 if verified is None else verified.bytes


def _of_backup_session(
    session: BackupSession, status: BackupSessionStatus, said: JobResult
) -> BackupSessionStatus:
    match session.spec.type, said:
        case "Verify", VerifyResult():
            return _read_back(status, said)
        case "Backup", BackupResult():
            return _written(session, status, said)
        case "Archive", ArchiveResult():
            return _copied(session, status, said)
        case kind, _:
            raise _unfit(kind, said)


def _unfit(kind: str, said: JobResult) -> PermanentError:
    detail = f"another result than one of {kind}"
    if said is None:
        detail = f"the result of a job of {kind} is in its message"
    return PermanentError(detail, reason="BadMessage")


def _restored(status: RestoreSessionStatus, said: RestoreResult) -> RestoreSessionStatus:
    """Return the status with what the worker says that it has written of each disk."""
    restored = status.restored
    if restored is None:
        raise AssertionError("an event of no job was applied")
    told = {folded(each.disk_id): each.written_bytes for each in said.disks}
    disks = tuple(
        replace(each, written_bytes=told.get(folded(each.disk_id), each.written_bytes))
        for each in restored.disks
    )
    written = sum(each.written_bytes or 0 for each in disks)
    return replace(
        status,
        restored=replace(restored, disks=disks),
        progress=ProgressShown(
            percent=100, bytes_to_read=written, bytes_read=written, bytes_stored=written
        ),
    )


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
    told: dict[str, DiskDone] = {}
    for done in said.disks:
        disk = next((disk for disk in known if same_id(disk.id, done.disk_id)), None)
        if disk is not None and disk.position not in results:
            told[disk.position] = done
            results[disk.position] = _word_of(disk, done)
    read_bytes = sum(result.read_bytes for result in results.values())
    stored = 0 if status.progress is None else status.progress.bytes_stored
    return replace(
        status,
        disks=tuple(results.values()),
        full_reads=_full_reads(status, told),
        progress=ProgressShown(
            percent=100,
            bytes_to_read=read_bytes,
            bytes_read=read_bytes,
            bytes_stored=stored,
        ),
    )


def _copied(
    session: BackupSession, status: BackupSessionStatus, said: ArchiveResult
) -> BackupSessionStatus:
    """Return the status with the worker's word of each disk; what is committed stays as it is."""
    resolved, archive = session.status.resolved, status.archive
    if resolved is None or archive is None:
        raise AssertionError("an event of no job was applied")
    results = {result.disk: result for result in status.disks if result.is_committed}
    verified = archive.verified_bytes
    for done in said.disks:
        disk = next((disk for disk in resolved.disks if same_id(disk.id, done.disk_id)), None)
        if disk is not None and disk.position not in results:
            verified += done.verified_bytes
            results[disk.position] = DiskResult(
                disk=disk.position,
                manifest=done.manifest,
                manifest_sha256=done.manifest_sha256,
                read_bytes=done.statistics.read_bytes,
                new_blocks=done.statistics.new_blocks,
            )
    read = sum(result.read_bytes for result in results.values())
    stored = 0 if status.progress is None else status.progress.bytes_stored
    return replace(
        status,
        disks=tuple(results.values()),
        archive=replace(archive, verified_bytes=verified),
        progress=ProgressShown(
            percent=100, bytes_to_read=2 * read, bytes_read=2 * read, bytes_stored=stored
        ),
    )


def _full_reads(status: BackupSessionStatus, told: Mapping[str, DiskDone]) -> tuple[FullRead, ...]:
    """Return why disks were read whole, with the worker's reasons of this job.

    Changes that were found to be wrong once stay so, whatever a later job of the session meets.
    """
    found = {
        disk: FullRead.of(disk, reason=done.fallback.reason, message=done.fallback.message)
        for disk, done in told.items()
        if done.fallback is not None
    }
    before = {
        each.disk: each
        for each in status.full_reads
        if each.disk not in told or not _is_passing(each)
    }
    return tuple((found | before).values())


def _is_passing(read: FullRead) -> bool:
    return read.reason in FALLBACK_REASONS and read.reason != "DifferencesUntrue"


def _word_of(disk: ResolvedDisk, done: DiskDone) -> DiskResult:
    return DiskResult(
        disk=disk.position,
        manifest=done.manifest,
        manifest_sha256=done.manifest_sha256,
        read_bytes=_read_bytes(done),
        changed_bytes=done.changed_bytes,
        new_blocks=done.statistics.new_blocks,
    )


def _read_bytes(done: DiskDone) -> int:
    """Return what was read of a disk: its statistics count whole blocks, read or not."""
    whole_blocks = done.statistics.read_bytes
    return whole_blocks if done.allocated_bytes is None else min(whole_blocks, done.allocated_bytes)
