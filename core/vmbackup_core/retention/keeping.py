"""Which points of a group are kept, and why.

Only two lines look at a clock: ``withinDays``, and a retention that counts until a moment. All
others count points and the periods that these were made in: a clock that jumps changes nothing of
what they keep, and whatever it says, the newest whole point stays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from typing_extensions import override

from vmbackup_core.retention.periods import PERIODS, zone_of
from vmbackup_core.retention.rules import UTC_NAME, Line, Retention

#: Tells by its place whether a point has lost blocks: then it is no successful one.
IsHurt = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class InForce:
    """A retention that counts; *until* says for how long where a shorter one waits behind it."""

    retention: Retention
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """The line that keeps a point, and what it says; *until* as its retention is in force."""

    line: Line
    count: int
    until: datetime | None = None
    time_zone: str = UTC_NAME

    @override
    def __str__(self) -> str:
        """Return what people are shown."""
        said = f"{self.line} {self.count}"
        return said if self.until is None else f"{said} (until {self.until:%Y-%m-%d %H:%MZ})"


def none_is_hurt(_place: int) -> bool:
    """Say of every point that it is whole."""
    return False


def keep(
    points: Sequence[datetime],
    rules: Sequence[InForce],
    now: datetime,
    is_hurt: IsHurt = none_is_hurt,
) -> dict[int, tuple[Why, ...]]:
    """Return which of *points* are kept, by their place among them, each with all its reasons.

    What any of *rules* keeps is kept, and one of any points that there are; a point that is not in
    the answer may go. *is_hurt* is asked of the newest points only, until enough of them are whole.
    """
    newest_first = sorted(
        range(len(points)), key=lambda place: (points[place], place), reverse=True
    )
    found: dict[int, list[Why]] = {}
    for rule in rules:
        said = rule.retention
        for line, count in said.counts.items():
            why = Why(line, count, rule.until, said.time_zone)
            if count:
                for place in _kept_by(why, points, newest_first, now, is_hurt):
                    whys = found.setdefault(place, [])
                    if replace(why, until=None) not in whys:  # it keeps the point for longer
                        whys.append(why)
    return {place: tuple(found[place]) for place in sorted(found)}


def _kept_by(
    why: Why,
    points: Sequence[datetime],
    newest_first: Sequence[int],
    now: datetime,
    is_hurt: IsHurt,
) -> Iterable[int]:
    """Return the places of the points that the line keeps."""
    if why.line == "last":
        return newest_first[: why.count]
    if why.line == "withinDays":
        oldest = now - timedelta(days=why.count)
        return [place for place in newest_first if points[place] > oldest]
    if why.line == "minSuccessful":
        return islice((place for place in newest_first if not is_hurt(place)), why.count)
    return _newest_of_periods(why, points, newest_first)


def _newest_of_periods(
    why: Why, points: Sequence[datetime], newest_first: Sequence[int]
) -> Iterator[int]:
    """Yield the newest point of each of the newest periods that have one."""
    zone, period_of = zone_of(why.time_zone), PERIODS[why.line]
    seen: set[Hashable] = set()
    for place in newest_first:
        if len(seen) == why.count:
            return
        period = period_of(points[place].astimezone(zone))
        if period not in seen:
            seen.add(period)
            yield place
