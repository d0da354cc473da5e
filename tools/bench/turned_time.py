"""Time that passes while the product computes, and is turned where it waits.

The product's own processor time counts as it is, so that what it takes to compute delays what comes
after, as on a core of its own; pauses cost nothing and count in full; what the simulated world
computes counts nothing. How loaded the machine is makes no difference.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from tests.worlds.turned_clock import TurnedClock

_BEGINNING = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
#: How often the processor time is asked for: a system call that costs more than most of what it
#: would measure.
_ASKED_EVERY_S = 0.02


class ProcessorTime:
    """This process' processor time, between two system calls by the part of a core that it had."""

    def __init__(
        self,
        wall_s: Callable[[], float] = time.perf_counter,
        processor_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._wall_s, self._processor_s = wall_s, processor_s
        self._asked_at_s, self._asked_s = wall_s(), processor_s()
        self._told_s, self._part = self._asked_s, 1.0

    def __call__(self) -> float:
        """Return the processor time in seconds; it never goes back."""
        wall_s = self._wall_s()
        passed_s = wall_s - self._asked_at_s
        estimate_s = self._asked_s + passed_s * self._part
        if passed_s >= _ASKED_EVERY_S:
            asked_s = self._processor_s()
            self._part = min(1.0, (asked_s - self._asked_s) / passed_s)
            self._asked_at_s, self._asked_s = wall_s, asked_s
            estimate_s = asked_s
        self._told_s = max(self._told_s, estimate_s)
        return self._told_s


class ComputedClock(TurnedClock):
    """Turned by pauses, and by the processor time of what is not done in the world."""

    def __init__(self, processor_s: Callable[[], float] | None = None) -> None:
        super().__init__(_BEGINNING)
        self._processor_s = processor_s or ProcessorTime()
        self._began_s = self._processor_s()
        self._paused_s = 0.0
        self._outside_s = 0.0
        self._outside = 0

    @override
    def monotonic_s(self) -> float:
        return self._paused_s + self.computed_s

    @override
    def now(self) -> datetime:
        return _BEGINNING + timedelta(seconds=self.monotonic_s())

    @override
    def turn(self, seconds: float) -> None:
        self._paused_s += seconds

    @property
    def computed_s(self) -> float:
        """The processor time of the product until this moment."""
        return self._processor_s() - self._began_s - self._outside_s

    @contextmanager
    def in_the_world(self) -> Iterator[None]:
        """Have what is computed inside count nothing; it must not wait for anything."""
        if self._outside:
            yield
            return
        self._outside, began_s = 1, self._processor_s()
        try:
            yield
        finally:
            self._outside = 0
            self._outside_s += self._processor_s() - began_s


class _TurningSelector(selectors.SelectSelector):
    """Turns the clock where the loop would wait."""

    def __init__(self, clock: ComputedClock) -> None:
        super().__init__()
        self._clock = clock

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever come")
        if timeout > 0:
            self._clock.turn(timeout)
        return []


class TurnedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the clock's; it reads from nowhere."""

    def __init__(self, clock: ComputedClock) -> None:
        super().__init__(_TurningSelector(clock))
        self._turned_clock = clock

    @override
    def time(self) -> float:
        return self._turned_clock.monotonic_s()
