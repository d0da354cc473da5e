"""What is written down of a rewind before it makes anything, and how that is undone."""

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
from vmbackup_operator.sessions.findings import (
    repository_key,
    resolved_of,
    restored_of,
    rewound_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import is_undone


def record_of(session: RestoreSession, *, stored: bool = False) -> UndoRecord:
    """Return what claims the VM; *stored*: the disks are swapped, and stay."""
    rewound = rewound_of(session)
    return UndoRecord(
        session=session.metadata.key,
        uid=session.metadata.uid,
        run_id=run_of(session),
        virtual_machine_id=rewound.virtual_machine_id,
        resolved=resolved_of(session),
        retry_limit=session.spec.retry_limit,
        stored=stored,
        type="Rewind",
        repository=repository_key(session),
        restored=restored_of(session),
        rewound=rewound,
    )


def session_of(record: UndoRecord) -> RestoreSession:
    """Return a session that has nothing but its last steps left, as the record knows it."""
    if record.restored is None or record.rewound is None:
        raise AssertionError(f"the record of run {record.run_id} is of no rewind")
    conclusion = (record.restored.conclusion or "rewound") if record.stored else ""
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
        mode="Rewind",
        target=RestoreTarget("", "", record.resolved.worker_region or ""),
        retry_limit=record.retry_limit,
    )
    metadata = Metadata(record.session.name, record.session.namespace, record.uid)
    return RestoreSession(metadata, spec, status)


async def drop_record(
    table: Table[RestoreSession], ground: Ground, session: RestoreSession
) -> None:
    """Drop the claim of a rewind that has undone everything; what was given up stays known."""
    status = session.status
    if status.run_id is None or status.rewound is None:
        return
    if is_undone(table, status):
        await ground.undo_records.drop(status.rewound.virtual_machine_id, status.run_id)
