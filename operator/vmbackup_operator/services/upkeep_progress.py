"""How far a job of upkeep has come: what its cursor says, and when a piece of it is long enough."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from vmbackup_core.clock import Clock
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut
from vmbackup_operator.upkeep.ports import GoOn, JobDone

#: How long a piece is at least, where more is to be done: so long others wait for their turn.
PIECE_S: Final = 1.0
#: Cursors are kept in a status.
CURSOR_MOST: Final = 1024
#: So many of what was found are named, in so many characters; all are counted.
_TOLD: Final = 3
_TOLD_CHARACTERS: Final = 180


class SoFar(msgspec.Struct, omit_defaults=True):
    """What a job has done: at which step it is, behind which item, and what is to be told."""

    step: str = ""
    after: str = ""
    counts: dict[str, int] = {}
    told: list[str] = []

    @staticmethod
    def parse(cursor: str) -> SoFar:
        """Return what *cursor* says; what it does not say begins anew."""
        try:
            return msgspec.json.decode(cursor, type=SoFar)
        except msgspec.DecodeError:
            return SoFar()

    def cursor(self) -> str:
        """Return it as a cursor: what does not fit is told no more."""
        while len(text := msgspec.json.encode(self).decode()) > CURSOR_MOST and self.told:
            self.told.pop()
        return text

    def count(self, what: str, number: int = 1) -> None:
        """Count *number* more of *what*."""
        self.counts[what] = self.counts.get(what, 0) + number

    def of(self, what: str) -> int:
        """Return how many of *what* there were."""
        return self.counts.get(what, 0)

    def tell(self, text: str) -> None:
        """Have people told *text*, where not enough is told yet."""
        if len(self.told) < _TOLD and (text := cut(text, _TOLD_CHARACTERS)) not in self.told:
            self.told.append(text)

    def begin(self, step: str) -> None:
        """Go on with another step from its beginning."""
        self.step, self.after = step, ""

    def go_on(self, message: str) -> GoOn:
        """Return that the job goes on from here."""
        return GoOn(self.cursor(), message)

    def done(self, parts: Sequence[str], *, findings: bool = False) -> JobDone:
        """Return that the job is done: what it did, and what is told; *findings* are news."""
        said = "; ".join(part for part in parts if part)
        message = ": ".join(part for part in (said, "; ".join(self.told)) if part)
        events = tuple(self.told) if findings else ()
        return JobDone(cut(message, MAX_MESSAGE), findings, events)


class Pace:
    """Tells when a piece is long enough."""

    def __init__(self, clock: Clock, most_s: float) -> None:
        self._clock = clock
        self._until_s = clock.monotonic_s() + most_s

    @property
    def is_up(self) -> bool:
        """Whether others are to have their turn."""
        return self._clock.monotonic_s() >= self._until_s

    def walk(self, items: Sequence[str], so_far: SoFar) -> Iterator[str]:
        """Yield *items*, which are in order, from where *so_far* is, until it is up: one at least.

        Each is behind *so_far* when the next one is asked for.
        """
        for item in items[bisect_right(items, so_far.after) :]:
            yield item
            so_far.after = item
            if self.is_up:
                return


def is_through(items: Sequence[str], so_far: SoFar) -> bool:
    """Tell whether all of *items* are behind *so_far*."""
    return not items or so_far.after >= items[-1]
