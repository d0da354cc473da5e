"""The pipeline of a rewind, in the order in which it is taken."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores.rewinding.accepting import accept
from vmbackup_operator.restores.rewinding.confirming import await_word
from vmbackup_operator.restores.rewinding.copying import create_disks, keep_today
from vmbackup_operator.restores.rewinding.removing import remove_remains
from vmbackup_operator.restores.rewinding.stopping import start_machine, stop_machine
from vmbackup_operator.restores.rewinding.swapping import put_back, swap_disks
from vmbackup_operator.restores.undo import session_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import take_last_steps

STEPS: Table[RestoreSession] = (
    Step("Accepted", accept),
    Step("VirtualMachineStopped", stop_machine),
    Step("SnapshotsReady", keep_today),
    Step("DisksCreated", create_disks),
    Step("SwapConfirmed", await_word),
    Step("DisksSwapped", swap_disks),
    Step("DisksPutBack", put_back, even_after_failure=True),
    Step("VirtualMachineStarted", start_machine, even_after_failure=True),
    Step("RemainsRemoved", remove_remains, even_after_failure=True, decides_outcome=True),
)


async def undo(ground: Ground, record: UndoRecord) -> bool:
    """Undo what is left of a rewind that has gone; True once nothing is."""
    return await take_last_steps(STEPS, ground, session_of(record))
