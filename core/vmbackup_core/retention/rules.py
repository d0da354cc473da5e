"""What a retention says: how many points are kept for which reason, and in whose days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from typing_extensions import override

Line = Literal[
    "last", "hourly", "daily", "weekly", "monthly", "yearly", "withinDays", "minSuccessful"
]

#: Those whose periods are told by a time zone.
PERIOD_LINES: Final = ("hourly", "daily", "weekly", "monthly", "yearly")

UTC_NAME: Final = "Etc/UTC"

Last = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
ZoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Retention(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What any line keeps is kept.

    The newest *last* points, and the newest of each of so many hours, days, weeks, months and years
    of *time_zone* that have any; those that are at most *within_days* old; and the newest
    *min_successful* of which no block is lost.
    """

    last: Last
    daily: Count
    weekly: Count
    monthly: Count
    yearly: Count
    hourly: Count = 0
    within_days: Count = 0
    min_successful: Last = 1
    time_zone: ZoneName = UTC_NAME

    @property
    def counts(self) -> Mapping[Line, int]:
        """The number that each line says, in the order in which people are told of them."""
        return {
            "last": self.last,
            "hourly": self.hourly,
            "daily": self.daily,
            "weekly": self.weekly,
            "monthly": self.monthly,
            "yearly": self.yearly,
            "withinDays": self.within_days,
            "minSuccessful": self.min_successful,
        }

    @property
    def has_periods(self) -> bool:
        """Tell whether the time zone decides anything."""
        return any(self.counts[line] for line in PERIOD_LINES)

    @override
    def __str__(self) -> str:
        """Return it in words, as in ``last 7, daily 14``; that a good point stays is always so."""
        said = {line: count for line, count in self.counts.items() if count}
        if self.min_successful == 1:
            del said["minSuccessful"]
        return ", ".join(f"{line} {count}" for line, count in said.items())


def covers(one: Retention, other: Retention) -> bool:
    """Tell whether *one* keeps whatever *other* does, of any points at any time.

    That is told from what they say: of days in two time zones neither is taken for the other.
    """
    if other.has_periods and one.time_zone != other.time_zone:
        return False
    return all(one.counts[line] >= count for line, count in other.counts.items())


def longest(one: Retention, other: Retention) -> Retention:
    """Return the retention with the larger number in each line, in the days of *one*."""
    return Retention(
        last=max(one.last, other.last),
        daily=max(one.daily, other.daily),
        weekly=max(one.weekly, other.weekly),
        monthly=max(one.monthly, other.monthly),
        yearly=max(one.yearly, other.yearly),
        hourly=max(one.hourly, other.hourly),
        within_days=max(one.within_days, other.within_days),
        min_successful=max(one.min_successful, other.min_successful),
        time_zone=one.time_zone if one.has_periods else other.time_zone,
    )
