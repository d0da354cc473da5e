"""Hours, days, weeks, months and years of a time zone, across changes of its clocks.

An hour that comes twice when clocks are put back is two hours; one that is skipped is none. A day
is a date of the calendar there, however many hours it has.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Hashable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Final

from vmbackup_core.retention.rules import Line

#: Returns what all moments of one period have in common, and none of another one.
PeriodOf = Callable[[datetime], Hashable]

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def zone_of(name: str) -> tzinfo:
    """Return the time zone; UTC for a name that is not known here: the counts stay what they are.

    A repository outlives the machines that read it, and the names of zones change.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return timezone.utc


def _hour(local: datetime) -> Hashable:
    return local.date(), local.hour, local.utcoffset()


#: By the line that counts them; each is asked for a moment in the zone's own time.
PERIODS: Final[Mapping[Line, PeriodOf]] = {
    "hourly": _hour,
    "daily": lambda local: local.date(),
    "weekly": lambda local: local.isocalendar()[:2],
    "monthly": lambda local: (local.year, local.month),
    "yearly": lambda local: local.year,
}


def next_period(line: Line, moment: datetime, zone: tzinfo) -> datetime:
    """Return when the period of *line* that *moment* is in has ended, in UTC.

    Where midnight is skipped it is the moment of the change, where it comes twice the first one.
    """
    local = moment.astimezone(zone)
    if line == "hourly":
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return moment.astimezone(timezone.utc) - into + _HOUR
    start = datetime.combine(_FOLLOWING[line](local.date()), time(), zone)
    return start.astimezone(timezone.utc)


_FOLLOWING: Final[Mapping[Line, Callable[[date], date]]] = {
    "daily": lambda day: day + _DAY,
    "weekly": lambda day: day + timedelta(days=7 - day.weekday()),
    "monthly": lambda day: date(day.year + day.month // 12, day.month % 12 + 1, 1),
    "yearly": lambda day: date(day.year + 1, 1, 1),
}
