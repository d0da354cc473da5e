"""The pipeline of a restore from a retained snapshot set, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores.copying.accepting import accept
from vmbackup_operator.restores.copying.creating import create_disks, finish
from vmbackup_operator.restores.copying.removing import remove_remains
from vmbackup_operator.restores.undo import session_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import take_last_steps

STEPS: Table[RestoreSession] = (
    Step("Accepted", accept),
    Step("DisksCreated", create_disks, each_attempt=True),
    Step("VirtualMachineCreated", finish),
    Step("RemainsRemoved", remove_remains, even_after_failure=True, decides_outcome=True),
)


async def undo(ground: Ground, record: UndoRecord) -> bool:
    """Undo what is left of a restore that has gone; True once nothing is."""
    return await take_last_steps(STEPS, ground, session_of(record))
