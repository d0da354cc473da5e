"""A clock that only moves when it is turned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from typing_extensions import override

from vmbackup_core.clock import Clock


class TurnedClock(Clock):
    def __init__(self, start: datetime = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic_s = 1000.0

    @override
    def now(self) -> datetime:
        return self._now

    @override
    def monotonic_s(self) -> float:
        return self._monotonic_s

    def turn(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
