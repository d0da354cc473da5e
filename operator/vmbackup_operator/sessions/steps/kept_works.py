"""What restores a point, as its repository says: asked for once in each attempt of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.model.session import Session
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Answer


async def kept_work(
    ground: Ground, session: Session, plan: Callable[[], Awaitable[RestoreWork | Answer]]
) -> RestoreWork | Answer:
    """Return what *plan* comes to; it is kept in memory while the attempt lasts."""
    run, attempt = run_of(session), session.status.attempt
    kept = ground.restore_works.get(run)
    if kept is not None and kept[0] == attempt:
        return kept[1]
    work = await plan()
    if isinstance(work, RestoreWork):
        ground.restore_works[run] = (attempt, work)
    return work
