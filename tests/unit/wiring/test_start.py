"""What is looked at when the operator has started."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from tests.worlds.memory_objects import MemorySessions
from tests.worlds.samples import session_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.metadata import FINALIZER, ObjectKey
from vmbackup_operator.model.session import Outcome as Ending
from vmbackup_operator.reconciling.outcome import Done, Outcome
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions
from vmbackup_operator.wiring.running import Operator, take_in


class Everything:
    """All sessions, as the API server lists them at the start."""

    def __init__(self, *sessions: BackupSession) -> None:
        self._sessions = sessions

    async def all(self) -> Sequence[BackupSession]:
        return self._sessions


def stored(name: str, outcome: Ending | None, *finalizers: str) -> BackupSession:
    session = session_of(ObjectKey("team", name))
    metadata = replace(session.metadata, resource_version="1", finalizers=finalizers)
    return replace(session, metadata=metadata, status=BackupSessionStatus(outcome=outcome))


async def test_every_session_that_is_not_through_is_looked_at_though_the_watch_tells_no_news() -> (
    None
):
    unfinished = stored("unfinished", None, FINALIZER)
    to_undo, ended = stored("to-undo", "Succeeded", FINALIZER), stored("ended", "Succeeded")
    looked: set[str] = set()

    async def look(key: ObjectKey) -> Outcome:
        looked.add(key.name)
        return Done()

    book, operator = SessionBook(), Operator()
    booked = BookedSessions(MemorySessions(TurnedClock()), book, Allocator(book, lambda _key: None))
    operator.sessions = booked
    operator.serve({"BackupSession": look, "IdleWorkers": look, "LeftBehind": look})

    await take_in(operator, Everything(unfinished, to_undo, ended), booked)
    async with operator.queue.running():
        await asyncio.sleep(0.05)

    assert looked == {"unfinished", "to-undo", "all"}
    assert booked.seen(unfinished) is False
