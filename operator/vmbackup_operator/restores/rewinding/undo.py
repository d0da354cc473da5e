"""What is written down of a rewind before it makes anything, and when that is dropped."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores import undo as restores
from vmbackup_operator.sessions.findings import rewound_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import is_undone


def record_of(session: RestoreSession, *, stored: bool = False) -> UndoRecord:
    """Return what claims the VM; *stored*: the disks are swapped, and stay."""
    rewound = rewound_of(session)
    return replace(
        restores.record_of(session, stored=stored),
        type="Rewind",
        virtual_machine_id=rewound.virtual_machine_id,
        rewound=rewound,
    )


async def drop_record(
    table: Table[RestoreSession], ground: Ground, session: RestoreSession
) -> None:
    """Drop the claim of a rewind that has undone everything; what was given up stays known."""
    status = session.status
    if status.run_id is None or status.rewound is None:
        return
    ground.restore_works.pop(status.run_id, None)
    if is_undone(table, status):
        await ground.undo_records.drop(status.rewound.virtual_machine_id, status.run_id)
