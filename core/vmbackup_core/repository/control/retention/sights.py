"""When this cluster first saw that something is expiring, over restarts; section 31 of the page.

Only our own clock counts (S16): what the log says of times is for people. So a cluster keeps at
which times it had read its log up to which number. Whatever began to expire in an object up to that
number was seen by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from typing_extensions import override


class Sights(Protocol):
    """When this cluster first saw that something is expiring; other clocks are not believed."""

    def age(self, number: int | None) -> timedelta:
        """Return how long ago what began to expire in log object *number* was seen first.

        That may be just now: so it is where *number* is None, not known.
        """


@dataclass(frozen=True, slots=True)
class Sight:
    """At *time* the log had been read up to *number*, by our clock."""

    number: int
    time: datetime


@dataclass(frozen=True, slots=True)
class RememberedSights(Sights):
    """What was kept of earlier sights; one that is ahead of *now* is not believed."""

    sights: tuple[Sight, ...]
    now: datetime

    @override
    def age(self, number: int | None) -> timedelta:
        """Return the longest of the ages that are known for *number*."""
        if number is None:
            return timedelta(0)
        times = (each.time for each in self.sights if each.number >= number)
        return max((self.now - each for each in times), default=timedelta(0))
