"""Until when a recovery point is kept, by its retention and its policy's schedule; pure.

Newer points are to come as the schedule says: one at each of its slots, or at the end of the
blackout windows that it lies in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from vmbackup_core.errors import PermanentError
from vmbackup_core.retention import ends
from vmbackup_core.retention.keeping import Why
from vmbackup_core.retention.periods import next_period, zone_of
from vmbackup_core.retention.rules import Line, Retention
from vmbackup_operator.model.backup_policy import ArchivedPoints, BackupPolicy, Schedule
from vmbackup_operator.policies.schedule import starts_after

_DAY = timedelta(days=1)
_TICK = timedelta(seconds=1)

#: By which line of a retention the archived points of a policy are the first ones.
_LINES: Mapping[ArchivedPoints, Line] = {
    "Weekly": "weekly",
    "Monthly": "monthly",
    "Yearly": "yearly",
}


@dataclass(frozen=True, slots=True)
class Slots:
    """The moments at which newer points are to come; without a schedule, one each day."""

    schedule: Schedule | None

    def __call__(self, moment: datetime) -> Iterator[datetime]:
        """Yield those behind *moment*, without end."""
        if self.schedule is not None:
            try:
                for start in starts_after(self.schedule, moment):
                    yield (moment := start)
            except PermanentError:  # said of the policy
                pass
        while True:
            yield (moment := moment + _DAY)


def slots_of(policy: BackupPolicy | None) -> ends.Slots:
    """Return when newer points come of a policy as it is: never without one, or while it rests.

    So it is, too, where only triggers ask for backups: nobody knows when.
    """
    if policy is None or policy.spec.schedule is None or policy.spec.suspend:
        return ends.no_slots
    return Slots(policy.spec.schedule)


@dataclass(frozen=True, slots=True)
class FirstSlots:
    """The moments at which a policy's first points of each period are to come."""

    schedule: Schedule | None
    line: Line
    time_zone: str

    def __call__(self, moment: datetime) -> Iterator[datetime]:
        """Yield those behind the period that *moment* is in: it has had its point."""
        zone, slots = zone_of(self.time_zone), Slots(self.schedule)
        while True:
            behind = next_period(self.line, moment, zone)
            yield (moment := next(slots(behind - _TICK)))


@lru_cache(maxsize=1024)
def kept_until(
    retention: Retention,
    schedule: Schedule | None,
    taken_at: datetime,
    points: ArchivedPoints = "All",
) -> datetime:
    """Return when the newest point, taken then, is no longer kept by any part of the rule.

    *schedule* is the policy's as it is, None where there is none: newer points are then taken to
    come every day, since what is locked must end. *points* says which of them come, where they are
    archived. It is never more than a hundred years.
    """
    counts = retention.counts.items()
    whys = [Why(line, count, time_zone=retention.time_zone) for line, count in counts if count]
    line = _LINES.get(points)
    slots: ends.Slots = Slots(schedule)
    if line is not None:
        slots = FirstSlots(schedule, line, retention.time_zone)
    found = ends.kept_until(whys, taken_at, (), slots, taken_at)
    return taken_at + ends.LONGEST if found is None else found
