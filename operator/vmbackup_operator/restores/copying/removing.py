"""RemainsRemoved: of a session that does not succeed no copy is left, and no VM."""

from __future__ import annotations

from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores.removing import remove_made
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def remove_remains(ground: Ground, session: RestoreSession) -> Taken:
    """Delete what the session made, where it did not succeed and as far as it proves ours."""
    return await remove_made(ground, session, ground.copies.delete, keeps=True)
