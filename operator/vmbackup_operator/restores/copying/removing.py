"""RemainsRemoved: of a session that does not succeed no copy is left, and no VM."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.restores.removing import remove_parts
from vmbackup_operator.restores.undo import record_of
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


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
    run = run_of(session)
    removed = await remove_parts(
        ground, session, restored, lambda each: ground.copies.delete(each, run)
    )
    return Taken(status, removed)
