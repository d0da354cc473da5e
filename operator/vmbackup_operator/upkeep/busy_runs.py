"""The runs whose commits may still come to a recovery point: of unfinished sessions and claims."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.ids import RunId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.undo_record import UndoRecords
from vmbackup_operator.upkeep.ports import BusyRuns

#: How soon it is asked again whether the sessions are known.
AGAIN_S = 5.0
#: For how long a list of the undo records serves. The session of a newer one is in the picture.
LISTED_FOR_S = 60.0


@dataclass(frozen=True, slots=True)
class Runs(Container[RunId]):
    """The runs of undo records as they were listed, and those of sessions at any moment.

    A run that begins after the list was made has an unfinished session before it has a commit.
    """

    recorded: frozenset[RunId]
    book: SessionBook

    @override
    def __contains__(self, run: object) -> bool:
        return run in self.recorded or (isinstance(run, str) and self.book.has_run(run))


class KnownRuns(BusyRuns):
    """Answers once the picture of the sessions is complete, which *is_taken_in* tells."""

    def __init__(
        self,
        book: SessionBook,
        records: UndoRecords,
        clock: Clock,
        is_taken_in: Callable[[], bool],
    ) -> None:
        self._book = book
        self._records = records
        self._clock = clock
        self._is_taken_in = is_taken_in
        self._listed: tuple[float, frozenset[RunId]] | None = None

    @override
    async def now(self) -> Container[RunId] | Waiting:
        if not self._is_taken_in():
            return Waiting(AGAIN_S, "the operator does not know all sessions yet")
        now_s = self._clock.monotonic_s()
        if self._listed is None or now_s - self._listed[0] > LISTED_FOR_S:
            runs = frozenset(each.run_id for each in await self._records.all())
            self._listed = (now_s, runs)
        return Runs(self._listed[1], self._book)
