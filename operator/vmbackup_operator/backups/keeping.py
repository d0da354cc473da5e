"""Until when a recovery point is kept, as far as that is known when it is made; pure.

A rule counts points and periods, not time. It ends when newer points have pushed this one out, and
when those come is what the policy's schedule says: one for each of its slots. Without a schedule
they are taken to come every day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Schedule
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.policies.schedule import slots_after

#: Nothing is locked for longer, whatever a rule says: no one would see the end of a mistake.
LONGEST = timedelta(days=100 * 365)

_DAY = timedelta(days=1)
_TICK = timedelta(seconds=1)

#: Returns the first day of the period behind the one that a day is in.
_NextPeriod = Callable[[date], date]


@dataclass(frozen=True, slots=True)
class Slots:
    """The moments at which newer points are to come."""

    schedule: Schedule | None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield those behind *moment*, without end."""
        if self.schedule is not None:
            try:
                for slot in slots_after(self.schedule, moment):
                    yield (moment := slot)
            except PermanentError:  # said of the policy
                pass
        while True:
            yield (moment := moment + _DAY)


def _next_day(day: date) -> date:
    return day + _DAY


def _next_week(day: date) -> date:
    return day + timedelta(days=7 - day.weekday())


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _next_year(day: date) -> date:
    return date(day.year + 1, 1, 1)


@lru_cache(maxsize=1024)
def kept_until(retention: Retention, schedule: Schedule | None, taken_at: datetime) -> datetime:
    """Return when the newest point, taken then, is no longer kept by any part of the rule.

    *schedule* is the policy's as it is, None where there is none. Periods are of UTC. It is never
    more than a hundred years.
    """
    slots = Slots(schedule)
    last = next(islice(slots.after(taken_at), retention.last - 1, None))
    latest = taken_at + LONGEST
    ends = [
        _end_of(periods, following, slots, taken_at, latest)
        for periods, following in (
            (retention.daily, _next_day),
            (retention.weekly, _next_week),
            (retention.monthly, _next_month),
            (retention.yearly, _next_year),
        )
        if periods
    ]
    return min(max([last, *ends]), latest)


def _end_of(
    periods: int, following: _NextPeriod, slots: Slots, taken_at: datetime, latest: datetime
) -> datetime:
    """Return when so many later periods have a point; a later point of the same one ends it all."""
    period_ends = following(taken_at.astimezone(UTC).date())
    coming = slots.after(taken_at)
    slot = next(coming)
    if slot.astimezone(UTC).date() < period_ends:
        return slot
    for _ in range(periods - 1):
        if slot >= latest:
            break
        behind = datetime.combine(following(slot.astimezone(UTC).date()), datetime.min.time(), UTC)
        slot = next(coming)
        if slot < behind:  # several to a period: go to the next one's first at once
            coming = slots.after(behind - _TICK)
            slot = next(coming)
    return slot
