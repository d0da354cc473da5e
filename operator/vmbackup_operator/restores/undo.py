"""What is written down of a restore before it makes anything, and how that is undone."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import (
    RestoreSession,
    RestoreSessionSpec,
    RestoreSessionStatus,
    RestoreTarget,
)
from vmbackup_operator.restores.earlier import earlier_record
from vmbackup_operator.sessions.findings import (
    resolved_of,
    restored_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import is_undone


def record_of(session: RestoreSession, *, stored: bool = False) -> UndoRecord:
    """Return what is written down of a session that was accepted; *stored*: what it made stays."""
    return UndoRecord(
        session=session.metadata.key,
        uid=session.metadata.uid,
        run_id=run_of(session),
        virtual_machine_id=restored_of(session).recovery_point.virtual_machine_id,
        resolved=resolved_of(session),
        retry_limit=session.spec.retry_limit,
        stored=stored,
        type="SnapshotRestore" if session.spec.copies_snapshots else "Restore",
        repository=restored_of(session).recovery_point.repository,
        restored=restored_of(session),
    )


def session_of(record: UndoRecord) -> RestoreSession:
    """Return a session that has nothing but its last steps left, as the record knows it."""
    is_rewind = record.rewound is not None
    if record.restored is None or is_rewind != (record.type == "Rewind"):
        raise AssertionError(f"the record of run {record.run_id} is of no restore")
    done = "rewound" if is_rewind else "restored"
    conclusion = (record.restored.conclusion or done) if record.stored else ""
    status = RestoreSessionStatus(
        run_id=record.run_id,
        attempt=1,
        start_time=datetime.fromtimestamp(0, UTC),
        resolved=record.resolved,
        restored=replace(record.restored, conclusion=conclusion),
        rewound=record.rewound,
    )
    spec = RestoreSessionSpec(
        recovery_point_ref=ObjectReference("none"),
        mode="Rewind" if is_rewind else "Disks",
        source="Snapshots" if record.type == "SnapshotRestore" else None,
        target=RestoreTarget("", "", record.resolved.worker_region or ""),
        retry_limit=record.retry_limit,
    )
    metadata = Metadata(record.session.name, record.session.namespace, record.uid)
    return RestoreSession(metadata, spec, status)


async def drop_record(
    table: Table[RestoreSession], ground: Ground, session: RestoreSession
) -> None:
    """Drop the record of a session that has undone everything; what was given up stays known."""
    status = session.status
    if status.run_id is None or status.restored is None:
        return
    ground.restore_works.pop(status.run_id, None)
    if not status.restored.disks and await earlier_record(ground, session) is not None:
        return  # it is of what an earlier session of the name has made
    if is_undone(table, status):
        vm_id = status.restored.recovery_point.virtual_machine_id
        await ground.undo_records.drop(vm_id, status.run_id)
