"""When a policy is due; pure. A slot is a moment of its cron expression, in its time zone.

The slot names the session; jitter only moves when it is started, by the same amount each time, and
a blackout window puts that off to its end.
"""

from __future__ import annotations

import zoneinfo
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from cronsim import CronSim, CronSimError

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Schedule
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import digest
from vmbackup_operator.policies.blackouts import Closed

#: More missed slots than this are not counted: a minutely policy after a month's pause.
MOST_MISSED = 1000

_TICK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Due:
    """What is due at a moment: *slot*, or nothing; *missed* slots will never be.

    *passed* is the newest slot that is not ahead, due or missed. *next_start* is when the next one
    is started, jitter included; None where there is none within cron's horizon. *blacked_out* slots
    lay in a blackout window and will never be due, either. The newest one that is put off to the
    window's end is *put_off*. *look_again* is when any of this changes. *is_shut*: no slot ahead is
    ever started, for the windows.
    """

    slot: datetime | None
    missed: int
    passed: datetime | None
    next_start: datetime | None
    blacked_out: int = 0
    last_blacked_out: datetime | None = None
    put_off: datetime | None = None
    look_again: datetime | None = None
    is_shut: bool = False


NOTHING_DUE = Due(None, 0, None, None)


@dataclass(frozen=True, slots=True)
class Start:
    """When a slot is started: *planned* without blackout windows, *at* with them.

    *is_skipped*: it would be put off for longer than the schedule lets it.
    """

    slot: datetime
    planned: datetime
    at: datetime
    is_skipped: bool = False

    @property
    def is_put_off(self) -> bool:
        """Tell whether a blackout window is in its way."""
        return self.at != self.planned


def jitter_of(schedule: Schedule, policy: ObjectKey) -> timedelta:
    """Return by how much *policy* starts after its slots: always the same, from its name."""
    if schedule.jitter_seconds <= 0:
        return timedelta(0)
    share = int.from_bytes(digest("jitter", policy.namespace, policy.name)[:8], "big")
    return timedelta(seconds=share % (schedule.jitter_seconds + 1))


def closed_times(schedule: Schedule) -> Closed | None:
    """Return when no slot is started, None where the schedule has no blackout windows."""
    return None if schedule.blackout is None else Closed(schedule.blackout, _zone(schedule))


def start_of(schedule: Schedule, jitter: timedelta, slot: datetime) -> Start:
    """Return when *slot* is started.

    What is put off to a window's end is spread by *jitter* there, too. A later slot is never
    started before an earlier one.
    """
    planned = slot + jitter
    closed = closed_times(schedule)
    if closed is None or schedule.blackout is None:
        return Start(slot, planned, planned)
    at = closed.opening(closed.opening(slot) + jitter)
    longest = timedelta(seconds=schedule.blackout.max_postponement_seconds)
    return Start(slot, planned, at, is_skipped=at - planned > longest)


def starts_before(schedule: Schedule, policy: ObjectKey, slot: datetime) -> datetime:
    """Return the starting deadline of *slot*, counted from the end of the windows it lies in."""
    return start_of(schedule, jitter_of(schedule, policy), slot).at + _deadline(schedule)


def due(schedule: Schedule, policy: ObjectKey, handled: datetime, now: datetime) -> Due:
    """Return what is due at *now*, where slots up to *handled* have been seen to.

    At most one slot is ever caught up with, or put off: the newest that is not past its starting
    deadline.
    """
    gone, waiting, following = _sorted_out(schedule, jitter_of(schedule, policy), handled, now)
    newest = next((each for each in reversed(gone) if not each.is_skipped), None)
    in_time = newest is not None and now <= newest.at + _deadline(schedule)
    blacked_out = [each.slot for each in gone if each is not newest and each.is_put_off]
    coming = waiting or _next_started(schedule, following)
    look = waiting.at if waiting else None if following is None else following.planned
    return Due(
        slot=newest.slot if newest is not None and in_time else None,
        missed=len(gone) - len(blacked_out) - in_time,
        passed=gone[-1].slot if gone else None,
        next_start=None if coming is None else coming.at,
        blacked_out=len(blacked_out),
        last_blacked_out=blacked_out[-1] if blacked_out else None,
        put_off=None if waiting is None else waiting.slot,
        look_again=look,
        is_shut=coming is None and following is not None,
    )


def last_overdue(schedule: Schedule, policy: ObjectKey, now: datetime) -> datetime | None:
    """Return the newest slot whose starting deadline has passed; none that windows have skipped."""
    deadline, jitter = _deadline(schedule), jitter_of(schedule, policy)
    for slot in islice(_slots_up_to(schedule, now - deadline - jitter), MOST_MISSED):
        start = start_of(schedule, jitter, slot)
        if not start.is_skipped and start.at + deadline <= now:
            return slot
    return None


def starts_after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Yield when slots are started behind *moment*, jitter left out; raise as for slots."""
    blackout = schedule.blackout
    if blackout is None:
        yield from slots_after(schedule, moment)
        return
    behind = moment - timedelta(seconds=blackout.max_postponement_seconds)
    while (slot := next(slots_after(schedule, behind), None)) is not None:
        start = _next_started(schedule, start_of(schedule, timedelta(0), slot))
        if start is None:
            return
        if start.at > moment:
            yield (moment := start.at)
        behind = start.slot


def _sorted_out(
    schedule: Schedule, jitter: timedelta, handled: datetime, now: datetime
) -> tuple[list[Start], Start | None, Start | None]:
    """Return the slots behind *handled* that are gone by, the newest put off, the first ahead."""
    gone: list[Start] = []
    waiting: Start | None = None
    for number, slot in enumerate(slots_after(schedule, handled)):
        start = start_of(schedule, jitter, slot)
        if start.planned > now:
            return gone, waiting, start
        if number == MOST_MISSED:
            # Long out of date: what lies between is not looked at one by one.
            return _around(schedule, jitter, now, gone)
        if start.is_skipped or start.at <= now:
            gone.append(start)
        else:
            waiting = start
    return gone, waiting, None


def _around(
    schedule: Schedule, jitter: timedelta, now: datetime, gone: list[Start]
) -> tuple[list[Start], Start | None, Start | None]:
    """Return the same, counted backwards from *now*; of the *gone* ones only the last differs."""
    waiting: Start | None = None
    following = next(slots_after(schedule, now - jitter), None)
    ahead = None if following is None else start_of(schedule, jitter, following)
    for slot in islice(_slots_up_to(schedule, now - jitter), MOST_MISSED):
        start = start_of(schedule, jitter, slot)
        if start.is_skipped or start.at <= now:
            return [*gone[:-1], start], waiting, ahead
        waiting = waiting or start
    return gone, waiting, ahead


def _next_started(schedule: Schedule, following: Start | None) -> Start | None:
    """Return the first slot from *following* on that windows do not skip."""
    for _ in range(MOST_MISSED):
        if following is None or schedule.blackout is None or not following.is_skipped:
            return following
        jitter = following.planned - following.slot
        longest = timedelta(seconds=schedule.blackout.max_postponement_seconds)
        # Each one before that lies in the same windows, and too far from their end.
        behind = max(following.slot, following.at - longest - jitter - _TICK)
        slot = next(slots_after(schedule, behind), None)
        following = None if slot is None else start_of(schedule, jitter, slot)
    return None


def _deadline(schedule: Schedule) -> timedelta:
    return timedelta(seconds=schedule.starting_deadline_seconds)


def _slots_up_to(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Yield the slots up to *moment*, the newest first; none of a wrong expression."""
    try:
        for slot in CronSim(schedule.cron, _local(schedule, moment + _TICK), reverse=True):
            yield slot.astimezone(UTC)
    except CronSimError:
        return


def slots_after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Yield the slots behind *moment*, in UTC; raise PermanentError where there can be none.

    Around a change of the clocks as Debian's cron does it: a daily slot in the skipped hour is due
    behind it, one in the repeated hour is due once; hourly ones are due each hour that passes.
    Whatever moment they are counted from, they are the same.
    """
    behind: datetime | None = moment
    while behind is not None:
        behind = _next_slot(schedule, behind)
        if behind is not None:
            yield behind


def _next_slot(schedule: Schedule, moment: datetime) -> datetime | None:
    """Return the first slot behind *moment*, None where there never is one.

    Counted over clocks that go back by less than an hour, as on Lord Howe Island, CronSim passes
    over the first slot behind. So it is asked from where each time of day is there once again.
    """
    slot = _told_next(schedule, moment)
    if slot is None:
        return None
    told = (_told_next(schedule, each) for each in _settled(schedule, moment, slot))
    return min([slot, *(each for each in told if each is not None)])


def _told_next(schedule: Schedule, moment: datetime) -> datetime | None:
    try:
        told = (slot.astimezone(UTC) for slot in CronSim(schedule.cron, _local(schedule, moment)))
        # Asked in an hour that is repeated, the first that is told may lie before it.
        return next((slot for slot in told if slot > moment), None)
    except CronSimError as error:
        raise PermanentError(
            f"schedule.cron {schedule.cron!r}: {error}",
            reason="InvalidSchedule",
        ) from error


def _settled(schedule: Schedule, moment: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when between the two the zone's clocks have changed, and what they repeat is over."""
    while moment < until:
        after = min(moment + timedelta(days=1), until)
        by = _offset(schedule, after) - _offset(schedule, moment)
        if by:
            yield _change_between(schedule, moment, after) + abs(by)
        moment = after


def _change_between(schedule: Schedule, before: datetime, after: datetime) -> datetime:
    minutes = range(1, int((after - before) / timedelta(minutes=1)) + 1)
    offset = _offset(schedule, before)

    def has_changed(minute: int) -> bool:
        return _offset(schedule, before + timedelta(minutes=minute)) != offset

    first = bisect_left(minutes, True, key=has_changed)  # noqa: FBT003 - what is looked for
    return before + timedelta(minutes=first + 1)


def _offset(schedule: Schedule, moment: datetime) -> timedelta:
    return _local(schedule, moment).utcoffset() or timedelta(0)


def _local(schedule: Schedule, moment: datetime) -> datetime:
    return moment.astimezone(_zone(schedule))


def _zone(schedule: Schedule) -> zoneinfo.ZoneInfo:
    name = schedule.time_zone
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PermanentError(
            f"schedule.timeZone {name!r} is no IANA time zone", reason="InvalidSchedule"
        ) from error
