"""RemainsRemoved: of a session that does not succeed no copy is left, and no VM."""

from __future__ import annotations

import asyncio

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.removing import is_machine_gone
from vmbackup_operator.restores.undo import record_of
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken

_LOOK_AGAIN_S = 2.0


async def remove_remains(ground: Ground, session: RestoreSession) -> Taken:
    """Delete what the session made, where it did not succeed and as far as it proves ours."""
    status = session.status
    if status.run_id is not None:
        ground.copied_points.pop(status.run_id, None)
    restored = status.restored
    if status.achieved:
        return Taken(status, Done("what was restored stays"))
    if restored is None or not restored.disks:
        return Taken(status, Done("nothing was made"))
    # A crash may have fallen between the record that it stays and the status that says so.
    await ground.undo_records.keep(record_of(session))
    if not await is_machine_gone(ground, session, restored):
        return Taken(status, Waiting(_LOOK_AGAIN_S, "the VM is to be deleted yet"))
    run, ids = run_of(session), [ArmId(each.disk_id) for each in restored.disks]
    gone = await asyncio.gather(*(ground.copies.delete(each, run) for each in ids))
    if not all(gone):
        left = counted(len(gone) - sum(gone), "disk")
        return Taken(status, Waiting(_LOOK_AGAIN_S, f"{left} to be deleted yet"))
    return Taken(status, Done(f"{counted(len(ids), 'disk')} of this session are gone"))
