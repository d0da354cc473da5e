"""The picture that metrics are computed from, and the list that keeps it true of ended sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from vmbackup_core.clock import Clock
from vmbackup_operator.metrics.facts import Orphans, QueueKey
from vmbackup_operator.metrics.picture import LastSeen, Picture
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.reconciling.queue import WorkQueue
from vmbackup_operator.reconciling.work import Work
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.idling import IdleWorkers
from vmbackup_operator.sweeping.sweeper import Sweeper

#: How often all sessions are listed for those that have ended and gone: nobody watches them. What
#: policies and upkeep list, and what the operator deletes itself, is known at once.
LIST_S = 24 * 3600.0


def picture_of(
    appliance_id: str,
    clock: Clock,
    book: SessionBook,
    queue: WorkQueue[Work],
    lookers: tuple[IdleWorkers, Sweeper],
) -> Picture:
    """Return the picture of what *book* holds, of *queue*, and of what the *lookers* saw last."""
    idle, sweeper = lookers

    def orphans() -> Orphans | None:
        seen = sweeper.seen()
        return None if seen is None else Orphans(seen.looked, seen.counts)

    def counted() -> Mapping[QueueKey, int]:
        return Counter(
            (work.kind, state) for state, keys in queue.keys_by_state().items() for work in keys
        )

    return Picture(appliance_id, clock, book, LastSeen(idle.states, orphans, counted))


def lists_all(*lists: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[Outcome]]:
    """Return what has each of *lists* list all sessions of its kind, once a day."""

    async def reconcile() -> Outcome:
        for listed in lists:
            await listed()
        return Waiting(LIST_S, "ended sessions are listed again")

    return reconcile
