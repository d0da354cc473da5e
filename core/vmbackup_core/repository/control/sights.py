"""When this cluster first saw that something is expiring, over restarts; section 31 of the page.

Only our own clock counts (S16): what the log says of times is for people. So a cluster keeps at
which times it had read its log up to which number. Whatever began to expire in an object up to that
number was seen by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from typing_extensions import override

DAY: Final = timedelta(hours=24)
#: A sight that comes sooner after another one is not kept.
_APART: Final = timedelta(hours=4)
_MOST: Final = 7


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


def kept_sights(sights: Iterable[Sight], seen: Sight) -> tuple[Sight, ...]:
    """Return what is to be kept of *sights*, in order of time, now that *seen* is one more.

    They are some hours apart, and of those that are a day old only the newest is needed: never
    more than eight. What is ahead of *seen* is of a clock that was wrong or of a history that was
    put back, and is not kept.
    """
    known = sorted(
        (each for each in sights if each.time <= seen.time and each.number <= seen.number),
        key=lambda each: each.time,
    )
    old = [each for each in known if seen.time - each.time >= DAY]
    kept = [*old[-1:], *known[len(old) :]][-_MOST:]
    is_due = not kept or seen.time - kept[-1].time >= _APART
    return (*kept, seen) if is_due else tuple(kept)
