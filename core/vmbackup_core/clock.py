"""The time, passed in where it is needed so that tests can turn it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol

from typing_extensions import override


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""

    def monotonic_s(self) -> float:
        """Return seconds that never go back, for measuring how long something took."""


class SystemClock(Clock):
    """The machine's own clock."""

    @override
    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    @override
    def monotonic_s(self) -> float:
        return time.monotonic()
