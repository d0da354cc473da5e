"""HoldsReleased: nothing is held for this session in the repository; also after failure."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.session import Session
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.repository import same_repository, same_source


async def release_holds(ground: Ground, session: Session) -> Taken:
    """Let go what the run holds; one that was not accepted holds nothing."""
    ground.works.pop(run_of(session), None)
    if session.status.resolved is None:
        return Taken(session.status, Done("nothing was held"))
    # An archive holds what it reads, and nothing where it writes.
    same = same_repository if session.status.resolved.source is None else same_source
    repository = await same(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    waiting = await ground.verifications.let_go(repository, run_of(session))
    return Taken(session.status, waiting or Done("nothing is held any more"))
