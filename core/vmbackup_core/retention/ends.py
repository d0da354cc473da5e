"""Until when a point is kept, if newer ones come when they are due.

A line counts points and periods, not time. It ends for a point when newer ones have pushed that
out, and when those come is what a schedule says: one at each of its slots.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from vmbackup_core.retention.keeping import Why
from vmbackup_core.retention.periods import PERIODS, next_period, zone_of

#: Returns the moments behind one at which newer points come: without end, or none at all.
Slots = Callable[[datetime], Iterator[datetime]]

#: Nothing is said to be kept for longer, whatever a retention says.
LONGEST: Final = timedelta(days=100 * 365)

_TICK = timedelta(seconds=1)


def no_slots(_moment: datetime) -> Iterator[datetime]:
    """Return nothing: no newer point is to come."""
    return iter(())


def kept_until(
    whys: Iterable[Why],
    taken_at: datetime,
    newer: Sequence[datetime],
    slots: Slots,
    now: datetime,
    *,
    hurt: int = 0,
) -> datetime | None:
    """Return when the last of *whys* ends for the point of *taken_at*; None where one never does.

    *newer* are the points of its group that were made after it, of which *hurt* have lost blocks:
    these are no successful ones, and count for all other lines. Newer ones still come, whole, at
    *slots* behind them and behind *now*. A hundred years are the most.
    """
    start = max([now, taken_at, *newer])
    ends = [
        _end_of(why, taken_at, newer, slots, start, hurt if why.line == "minSuccessful" else 0)
        for why in whys
    ]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends) or not known:
        return None
    return min(max(known), taken_at + LONGEST)


def _end_of(
    why: Why,
    taken_at: datetime,
    newer: Sequence[datetime],
    slots: Slots,
    start: datetime,
    uncounted: int,
) -> datetime | None:
    """Return when the line ends for the point, or the retention that it is of.

    It counts all of *newer* but so many that are *uncounted*.
    """
    if why.line == "withinDays":
        end: datetime | None = taken_at + timedelta(days=why.count)
    elif why.line in PERIODS:
        end = _end_of_periods(why, taken_at, newer, slots, start)
    else:
        left = max(why.count - len(newer) + uncounted, 1)
        end = next(islice(slots(start), left - 1, None), None)
    if end is None or why.until is None:
        return end or why.until
    return min(end, why.until)


def _end_of_periods(
    why: Why, taken_at: datetime, newer: Sequence[datetime], slots: Slots, start: datetime
) -> datetime | None:
    """Return when its own period has a newer point, or enough later ones have any."""
    zone, period_of = zone_of(why.time_zone), PERIODS[why.line]
    own = period_of(taken_at.astimezone(zone))
    later: set[Hashable] = {period_of(each.astimezone(zone)) for each in newer}
    latest, coming = taken_at + LONGEST, slots(start)
    slot = next(coming, None)
    while slot is not None and slot < latest:
        period = period_of(slot.astimezone(zone))
        later.add(period)
        if period == own or len(later) >= why.count:
            return slot
        behind = next_period(why.line, slot, zone)
        slot = next(coming, None)
        if slot is not None and slot < behind:  # several to a period: go to the next one at once
            coming = slots(behind - _TICK)
            slot = next(coming, None)
    return slot
