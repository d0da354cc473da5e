"""When a policy is due; pure. A slot is a moment of its cron expression, in its time zone.

The slot names the session; jitter only moves when it is started, by the same amount each time.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Schedule
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import digest

#: More missed slots than this are not counted: a minutely policy after a month's pause.
MOST_MISSED = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """What is due at a moment: *slot*, or nothing; *missed* slots will never be.

    *passed* is the newest slot that is not ahead, due or missed. *next_start* is when the next one
    is started, jitter included; None where there is none within cron's horizon.
    """

    slot: datetime | None
    missed: int
    passed: datetime | None
    next_start: datetime | None


NOTHING_DUE = Due(None, 0, None, None)


def jitter_of(schedule: Schedule, policy: ObjectKey) -> timedelta:
    """Return by how much *policy* starts after its slots: always the same, from its name."""
    if schedule.jitter_seconds <= 0:
        return timedelta(0)
    share = int.from_bytes(digest("jitter", policy.namespace, policy.name)[:8], "big")
    return timedelta(seconds=share % (schedule.jitter_seconds + 1))


def starts_before(schedule: Schedule, policy: ObjectKey, slot: datetime) -> datetime:
    """Return the starting deadline of *slot*."""
    deadline = timedelta(seconds=schedule.starting_deadline_seconds)
    return slot + jitter_of(schedule, policy) + deadline


def due(schedule: Schedule, policy: ObjectKey, handled: datetime, now: datetime) -> Due:
    """Return what is due at *now*, where slots up to *handled* have been seen to.

    At most one slot is ever caught up with: the newest that is not past its starting deadline.
    """
    jitter = jitter_of(schedule, policy)
    newest: datetime | None = None
    passed = 0
    following: datetime | None = None
    for slot in slots_after(schedule, handled):
        if slot + jitter > now:
            following = slot
            break
        newest, passed = slot, passed + 1
        if passed == MOST_MISSED:
            # Long out of date: what lies between is not looked at one by one.
            newest, following = _around(schedule, now - jitter)
            break
    start = None if following is None else following + jitter
    if newest is None or now > starts_before(schedule, policy, newest):
        return Due(None, passed, newest, start)
    return Due(newest, passed - 1, newest, start)


def _around(schedule: Schedule, moment: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the last slot up to *moment* and the first behind it."""
    return last_slot(schedule, moment), next(slots_after(schedule, moment), None)


def last_slot(schedule: Schedule, moment: datetime) -> datetime | None:
    """Return the last slot up to *moment*; None where there is none, as of a wrong expression."""
    try:
        backwards = CronSim(schedule.cron, _local(schedule, moment + _TICK), reverse=True)
        return next(backwards).astimezone(UTC)
    except (CronSimError, StopIteration):
        return None


_TICK = timedelta(seconds=1)


def slots_after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Yield the slots behind *moment*, in UTC; raise PermanentError where there can be none.

    Around a change of the clocks as Debian's cron does it: a daily slot in the skipped hour is due
    behind it, one in the repeated hour is due once; hourly ones are due each hour that passes.
    """
    try:
        for slot in CronSim(schedule.cron, _local(schedule, moment)):
            yield slot.astimezone(UTC)
    except CronSimError as error:
        raise PermanentError(
            f"schedule.cron {schedule.cron!r}: {error}",
            reason="InvalidSchedule",
        ) from error


def _local(schedule: Schedule, moment: datetime) -> datetime:
    name = schedule.time_zone
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PermanentError(
            f"schedule.timeZone {name!r} is no IANA time zone", reason="InvalidSchedule"
        ) from error
    return moment.astimezone(zone)
