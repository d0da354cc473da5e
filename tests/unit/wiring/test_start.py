"""What is looked at when the operator has started."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from tests.worlds.memory_objects import MemorySessions
from tests.worlds.samples import session_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.metadata import FINALIZER, ObjectKey
from vmbackup_operator.model.session import Outcome as Ending
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.reconciling.outcome import Done, Outcome, Waiting
from vmbackup_operator.reconciling.work import AFTER_SESSIONS
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions
from vmbackup_operator.wiring.operating import Operator, take_in

SWEEP_AFTER_S = 3600


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
    booked = BookedSessions(
        BackupSession,
        MemorySessions(TurnedClock()),
        book,
        Allocator(book, lambda _key: None),
        operator.sessions_stirred,
    )
    operator.sessions = booked
    operator.serve({"BackupSession": look, **{each.kind: look for each in AFTER_SESSIONS}})

    await take_in(operator, Everything(unfinished, to_undo, ended), booked, SWEEP_AFTER_S)
    async with operator.queue.running():
        await asyncio.sleep(0.05)

    assert looked == {"unfinished", "to-undo", "all"}
    assert booked.seen(unfinished) is False


async def test_what_looks_after_sessions_looks_soon_after_a_change_and_else_when_it_said() -> None:
    looked: list[tuple[float, str]] = []

    async def look(_key: ObjectKey) -> Outcome:
        return Done()

    def rare(kind: str) -> Callable[[ObjectKey], Awaitable[Outcome]]:
        async def looked_at(_key: ObjectKey) -> Outcome:
            looked.append((round(asyncio.get_running_loop().time()), kind))
            return Waiting(86_400, "nothing is expected")

        return looked_at

    book, operator = SessionBook(), Operator()
    booked = BookedSessions(
        BackupSession,
        MemorySessions(TurnedClock()),
        book,
        Allocator(book, lambda _key: None),
        operator.sessions_stirred,
    )
    operator.sessions = booked
    rarely = {each.kind: rare(each.kind) for each in AFTER_SESSIONS}
    operator.serve({"BackupSession": look, "Sweeper": look, **rarely})

    await take_in(operator, Everything(), booked, SWEEP_AFTER_S)
    async with operator.queue.running():
        await asyncio.sleep(7200)
        for name in ("one", "two", "three"):
            operator.session_seen(ObjectKey("team", name), {}, gone=True)
            await asyncio.sleep(60)
        await asyncio.sleep(7200)

    assert sorted(looked) == [(at_s, kind) for at_s in (0, 7500) for kind in sorted(rarely)]


async def test_the_sweeper_looks_a_while_after_the_start_whatever_happens_to_sessions() -> None:
    looked: list[float] = []

    async def look(_key: ObjectKey) -> Outcome:
        return Done()

    async def sweep(_key: ObjectKey) -> Outcome:
        looked.append(round(asyncio.get_running_loop().time()))
        return Waiting(86_400, "the sweeper looks again")

    book, operator = SessionBook(), Operator()
    booked = BookedSessions(
        BackupSession,
        MemorySessions(TurnedClock()),
        book,
        Allocator(book, lambda _key: None),
        operator.sessions_stirred,
    )
    operator.sessions = booked
    rest = {each.kind: look for each in AFTER_SESSIONS}
    operator.serve({"BackupSession": look, "Sweeper": sweep, **rest})

    await take_in(operator, Everything(), booked, SWEEP_AFTER_S)
    async with operator.queue.running():
        for _ in range(30):
            operator.session_seen(ObjectKey("team", "one"), {}, gone=True)
            await asyncio.sleep(3600)

    assert looked == [3600, 3600 + 86_400]


async def test_at_the_start_it_is_looked_whether_repositories_of_sessions_are_gone() -> None:
    """Whoever deleted one while no operator ran is not told of again."""
    resolved = replace(stored("backed-up", "Succeeded").status, resolved=Resolved())
    backed_up, refused = stored("backed-up", "Succeeded"), stored("refused", "Failed")
    left: list[ObjectKey] = []

    async def look(_key: ObjectKey) -> Outcome:
        return Done()

    async def look_at_rest(key: ObjectKey) -> Outcome:
        left.append(key)
        return Done()

    book, operator = SessionBook(), Operator("ours")
    booked = BookedSessions(
        BackupSession,
        MemorySessions(TurnedClock()),
        book,
        Allocator(book, lambda _key: None),
        operator.sessions_stirred,
    )
    operator.sessions = booked
    operator.serve(
        {"DepartedRepository": look_at_rest, **{each.kind: look for each in AFTER_SESSIONS}}
    )

    everything = Everything(replace(backed_up, status=resolved), refused)
    await take_in(operator, everything, booked, SWEEP_AFTER_S)
    async with operator.queue.running():
        await asyncio.sleep(0.05)

    assert left == [backed_up.spec.stored_in.key_from("team")]
