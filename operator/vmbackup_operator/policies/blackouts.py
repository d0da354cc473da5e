"""In which moments a policy begins no session, and when such a time ends; pure.

A moment lies in a window where a clock on the wall of the policy's time zone shows a time within
it. So an hour that the clocks skip is in none, and one that they repeat is in it both times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import get_args
from zoneinfo import ZoneInfo

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Blackout, BlackoutWindow, Weekday

_DAY = timedelta(days=1)
_TICK = timedelta(seconds=1)
_MIDNIGHT = 24 * 60
#: Windows repeat each week; the second one is looked at since a change of the clocks may close one.
_HORIZON_DAYS = 15
_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


@dataclass(frozen=True, slots=True)
class Closed:
    """The times in which no session begins: the windows of *blackout*, read in *zone*."""

    blackout: Blackout
    zone: ZoneInfo

    def holds(self, moment: datetime) -> bool:
        """Tell whether *moment* lies in a window."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today, yesterday = _weekday(local.date()), _weekday(local.date() - _DAY)
        return any(_covers(each, minute, today, yesterday) for each in self.blackout.windows)

    def opening(self, moment: datetime) -> datetime:
        """Return *moment*, or the end of the windows that it lies in; the next may follow at once.

        Raise PermanentError where the windows never end.
        """
        if not self.holds(moment):
            return moment
        for change in self._changes(moment):
            if not self.holds(change):
                return change
        raise PermanentError(
            "schedule.blackout: its windows leave no moment in which a session may begin",
            reason="InvalidSchedule",
        )

    def closing(self, moment: datetime) -> datetime | None:
        """Return when a window begins next, *moment* being in none; None where none does."""
        return next((each for each in self._changes(moment) if self.holds(each)), None)

    def _changes(self, moment: datetime) -> Iterator[datetime]:
        """Yield the moments behind *moment* at which a window may begin or end, in order."""
        first = moment.astimezone(self.zone).date() - _DAY
        for number in range(_HORIZON_DAYS):
            for change in _changes_of(self, first + number * _DAY):
                if change > moment:
                    yield change


@lru_cache(maxsize=4096)
def _changes_of(closed: Closed, day: date) -> tuple[datetime, ...]:
    """Return the moments of *day* that bound a window, and at which the zone's clocks change."""
    zone = closed.zone
    begins = datetime.combine(day, time(), zone).astimezone(UTC)
    ends = datetime.combine(day + _DAY, time(), zone).astimezone(UTC)
    minutes = {each for window in closed.blackout.windows for each in _bounds(window)}
    clocks = (time(minute // 60, minute % 60) for minute in {0, *minutes} - {_MIDNIGHT})
    walls = [datetime.combine(day, clock, zone) for clock in clocks]
    found = {wall.replace(fold=fold).astimezone(UTC) for wall in walls for fold in (0, 1)}
    found.update(_clock_changes(zone, begins, ends))
    return tuple(sorted(each for each in found if begins <= each < ends))


def _clock_changes(zone: ZoneInfo, begins: datetime, ends: datetime) -> Iterator[datetime]:
    """Yield the moment between the two at which the zone's clocks change, where there is one."""

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    before = offset(begins)
    if before == offset(ends):
        return
    while ends - begins > _TICK:
        middle = begins + timedelta(seconds=int((ends - begins).total_seconds()) // 2)
        begins, ends = (middle, ends) if offset(middle) == before else (begins, middle)
    yield ends


def _covers(window: BlackoutWindow, minute: int, today: Weekday, yesterday: Weekday) -> bool:
    """Tell whether *window* holds the *minute* of *today*; one over midnight is its first day's."""
    start, end = _bounds(window)
    if start < end:
        return _is_on(window, today) and start <= minute < end
    since_start = _is_on(window, today) and minute >= start
    return since_start or (_is_on(window, yesterday) and minute < end)


def _is_on(window: BlackoutWindow, day: Weekday) -> bool:
    return not window.days or day in window.days


def _bounds(window: BlackoutWindow) -> tuple[int, int]:
    """Return the minutes of the day at which *window* begins and ends."""
    return _minute(window.start), _minute(window.end)


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def _weekday(day: date) -> Weekday:
    return _WEEKDAYS[day.weekday()]
