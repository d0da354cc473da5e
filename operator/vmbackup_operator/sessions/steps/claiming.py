"""A session's claim of its VM: one of a VM runs, also where two processes believe that they lead.

The allocator decides from what this process has seen; the claim is what the API server lets one
session have. Who has it keeps it until the session has ended, whatever became of its process.
"""

from __future__ import annotations

from vmbackup_operator.model.session import Session
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.deadlines import VM_BUSY
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.undo_record import UndoRecord

#: How soon a session asks again that another one's claim keeps waiting: nobody may wake it.
CLAIMED_AGAIN_S = 60.0


async def claim_for(ground: Ground, record: UndoRecord) -> Waiting | None:
    """Have the session of the *record* claim its VM; return that it waits for another one, or None.

    What it claims by is its undo record: whoever takes its finalizer off takes nothing of it away.
    """
    records = ground.undo_records
    held = await records.claim(record)
    if held is None:
        return None
    if await _goes_on(ground, held):
        message = f"another session of the VM is unfinished: {held.key}"
        return Waiting(CLAIMED_AGAIN_S, message, VM_BUSY)
    await records.take_over(held, record)
    return None


async def has_claim(ground: Ground, session: Session, vm_id: str) -> bool:
    """Tell whether the session has claimed the VM: then it goes on, whoever else began before.

    A crash may have fallen between its claim and the status that says what it found.
    """
    held = await ground.undo_records.find_claim(vm_id)
    if held is None:
        return False
    return (held.run_id, held.uid) == (run_of(session), session.metadata.uid)


async def _goes_on(ground: Ground, held: UndoRecord) -> bool:
    """Tell whether the claim's holder is at work, as the API server has it at this moment."""
    holder = await ground.sessions.find(held.key)
    if holder is None or holder.metadata.uid != held.uid:
        return False
    return holder.status.outcome is None
