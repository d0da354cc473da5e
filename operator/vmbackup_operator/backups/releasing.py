"""HoldsReleased: no manifest is held for this session, that it wrote on; also after failure."""

from __future__ import annotations

from vmbackup_operator.backups.tracking import UNREMARKABLE
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.holds import release_holds


async def release_bases(ground: Ground, session: BackupSession) -> Taken:
    """Let go what the run holds; a session that began as a full has held nothing."""
    resolved, status = session.status.resolved, session.status
    lost = any(each.reason not in UNREMARKABLE for each in status.full_reads)
    if resolved is None or not (resolved.predecessors or lost):
        return Taken(status, Done("nothing was held"))
    taken = await release_holds(ground, session)
    if isinstance(taken.answer, Waiting) and taken.answer.reason == "RepositoryNotFound":
        # A hold that stays keeps a manifest for longer; whoever deleted the object may remove it.
        return Taken(status, Done("the repository's object is gone, and with it the way there"))
    return taken
