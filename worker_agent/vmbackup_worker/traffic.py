"""How many requests are under way: to each export as many as it bears, to several evenly."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vmbackup_worker.access import Stopped

#: Azure refuses what is above 500 of one page blob: never are there more in any one second.
MOST_IN_A_SECOND = 480

#: So many go on evenly, however long it takes.
REQUESTS_PER_S = 400

#: Requests that were not made for so long may be made at once: most increments ask for fewer in
#: all than a second may have, and wait for nothing.
_BURST_S = 0.6

#: What a refusal leaves: half, as is usual, would be much of the few that an export bears.
_CUT = 0.7

#: How quickly a waiting request notices that it shall stop.
_SLICE_S = 0.2


class Pace:
    """What one export has shown to bear; knows nothing of threads and clocks.

    A refusal takes three of ten requests at once, and one that came of the same crowd no more; a
    round of answers adds one (as TCP does: who shares a limit comes to an equal share of it).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._not_before = float("-inf")
        self._cut_at = float("-inf")
        self._paid_until = float("-inf")
        self._begun = deque[float](maxlen=MOST_IN_A_SECOND)
        #: How many requests at once.
        self.limit = float(most)

    def wait_s(self, now: float) -> float:
        """Return for how long nothing may be asked for."""
        soonest = max(self._not_before, self._paid_until - _BURST_S)
        if len(self._begun) == MOST_IN_A_SECOND:
            soonest = max(soonest, self._begun[0] + 1)
        return max(0.0, soonest - now)

    def begin(self, now: float) -> None:
        """Count a request that begins."""
        self._paid_until = max(self._paid_until, now) + 1 / REQUESTS_PER_S
        self._begun.append(now)

    def answered(self) -> None:
        """Learn that a request was answered."""
        self.limit = min(float(self._most), self.limit + 1 / self.limit)

    def refused(self, now: float, began: float, after_s: float) -> None:
        """Learn that what *began* then was too much, and that *after_s* from now is soon enough."""
        self._not_before = max(self._not_before, now + after_s)
        if began > self._cut_at:
            self._cut_at = now
            self.limit = max(1.0, self.limit * _CUT)


class Traffic:
    """The requests of one job: never more than *most* at once, dealt out evenly to its exports."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []

    def lane(self) -> Lane:
        """Return the way to one more export."""
        with self._changed:
            lane = Lane(self, Pace(self._most))
            self._lanes.append(lane)
            return lane

    def enter(self, lane: Lane, stop: threading.Event) -> float:
        """Wait for the turn of *lane*; return when it came. Raise Stopped where told to."""
        with self._changed:
            lane.waiting += 1
            try:
                while (wait_s := self._wait_s(lane, self._clock())) > 0:
                    self._changed.wait(min(wait_s, _SLICE_S))
                    if stop.is_set():
                        raise Stopped("told to stop")
            finally:
                lane.waiting -= 1
            began = self._clock()
            lane.under_way += 1
            lane.pace.begin(began)
            return began

    def leave(self, lane: Lane, learn: Callable[[float], None]) -> None:
        """End a request of *lane*, which learns from how it ended."""
        with self._changed:
            lane.under_way -= 1
            learn(self._clock())
            self._changed.notify_all()

    def _wait_s(self, lane: Lane, now: float) -> float:
        """Return 0 where *lane* may begin a request, else after how long to look again."""
        if not lane.has_room or sum(each.under_way for each in self._lanes) >= self._most:
            return _SLICE_S
        wait_s = lane.pace.wait_s(now)
        if wait_s > 0:
            return wait_s
        for other in self._lanes:  # who has fewer under way comes first
            if other.waiting and other.under_way < lane.under_way and other.may_begin(now):
                return _SLICE_S
        return 0.0


class Lane:
    """The way to one export."""

    def __init__(self, traffic: Traffic, pace: Pace) -> None:
        self._traffic = traffic
        self.pace = pace
        self.under_way = 0
        self.waiting = 0

    @property
    def has_room(self) -> bool:
        """Whether the export bears one more at once."""
        return self.under_way < int(self.pace.limit)

    def may_begin(self, now: float) -> bool:
        """Tell whether the export bears a request now."""
        return self.has_room and self.pace.wait_s(now) == 0

    @contextmanager
    def turn(self, stop: threading.Event) -> Iterator[Turn]:
        """Have one request under way, as soon as it may be."""
        turn = Turn(self._traffic.enter(self, stop))
        try:
            yield turn
        finally:
            self._traffic.leave(self, lambda now: turn.tell(self.pace, now))


class Turn:
    """One request that is under way, and what came of it."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._answered = False
        self._refused_s: float | None = None

    def answered(self) -> None:
        """Say that it was answered."""
        self._answered = True

    def refused(self, after_s: float | None) -> None:
        """Say that it was too much, and when to ask again where that was said."""
        self._refused_s = after_s or 0.0

    def tell(self, pace: Pace, now: float) -> None:
        """Have *pace* learn from it."""
        if self._refused_s is not None:
            pace.refused(now, self._began, self._refused_s)
        elif self._answered:
            pace.answered()
