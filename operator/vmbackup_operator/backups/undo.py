"""What is written down of a backup before it makes anything."""

from __future__ import annotations

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.undo_record import UndoRecord


def record_of(session: BackupSession, *, stored: bool = False) -> UndoRecord:
    """Return what is to be written down of a session that was accepted."""
    status = session.status
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
        repository=session.spec.repository_ref.key_from(session.metadata.namespace),
    )
