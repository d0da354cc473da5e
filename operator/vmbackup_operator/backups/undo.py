"""What is written down of a backup before it makes anything, and how that is undone."""

from __future__ import annotations

from datetime import UTC, datetime

from vmbackup_operator.backups.descriptions import drop_description
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import is_undone, take_last_steps


def record_of(session: BackupSession, *, stored: bool = False) -> UndoRecord:
    """Return what is to be written down of a session that was accepted."""
    status, named = session.status, session.spec.stored_in
    if status.run_id is None or status.resolved is None:
        raise AssertionError(f"{session.metadata.key} was not accepted")
    return UndoRecord(
        session=session.metadata.key,
        uid=session.metadata.uid,
        run_id=status.run_id,
        virtual_machine_id=session.spec.virtual_machine_id,
        resolved=status.resolved,
        retry_limit=session.spec.retry_limit,
        stored=stored,
        type=session.spec.type,
        repository=None if named.is_none else named.key_from(session.metadata.namespace),
    )


async def undo(table: Table[BackupSession], ground: Ground, record: UndoRecord) -> bool:
    """Undo what is left of a session that has gone; True once nothing is."""
    # The snapshots of a recovery point are the next increment's base.
    without = {"SnapshotsPruned"} if record.stored else set[str]()
    return await take_last_steps(table, ground, session_of(record), without)


def session_of(record: UndoRecord) -> BackupSession:
    """Return a session that has nothing but its last steps left, as the record knows it."""
    kind, (namespace, name) = record.type, (record.session.namespace, record.session.name)
    if kind == "Restore" or kind == "SnapshotRestore" or kind == "Rewind":  # noqa: PLR1714 - what a type checker narrows by
        raise AssertionError(f"the record of run {record.run_id} is of a restore")
    return BackupSession(
        metadata=Metadata(name=name, namespace=namespace, uid=record.uid),
        spec=BackupSessionSpec(
            record.virtual_machine_id,
            _reference(record),
            kind,
            retry_limit=record.retry_limit,
        ),
        status=BackupSessionStatus(
            run_id=record.run_id,
            attempt=1,
            start_time=datetime.fromtimestamp(0, UTC),
            resolved=record.resolved,
            recovery_point=record.run_id if record.stored else None,
        ),
    )


async def drop_record(table: Table[BackupSession], ground: Ground, session: BackupSession) -> None:
    """Drop the record of a session that has undone everything; what was given up stays known."""
    drop_description(ground, session)
    status = session.status
    if status.run_id is None or status.resolved is None:
        return
    if is_undone(table, status):
        await ground.undo_records.drop(session.spec.virtual_machine_id, status.run_id)


def _reference(record: UndoRecord) -> ObjectReference:
    where = record.repository
    if where is None:
        return ObjectReference("none")
    return ObjectReference(where.name, where.namespace)
