"""Until when a recovery point is kept, by its retention and its policy's schedule; pure.

Newer points are to come as the schedule says: one at each of its slots, or at the end of the
blackout windows that it lies in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from vmbackup_core.errors import PermanentError
from vmbackup_core.retention import ends
from vmbackup_core.retention.keeping import Why
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import BackupPolicy, Schedule
from vmbackup_operator.policies.schedule import starts_after

_DAY = timedelta(days=1)


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


@lru_cache(maxsize=1024)
def kept_until(retention: Retention, schedule: Schedule | None, taken_at: datetime) -> datetime:
    """Return when the newest point, taken then, is no longer kept by any part of the rule.

    *schedule* is the policy's as it is, None where there is none: newer points are then taken to
    come every day, since what is locked must end. It is never more than a hundred years.
    """
    counts = retention.counts.items()
    whys = [Why(line, count, time_zone=retention.time_zone) for line, count in counts if count]
    found = ends.kept_until(whys, taken_at, (), Slots(schedule), taken_at)
    return taken_at + ends.LONGEST if found is None else found
