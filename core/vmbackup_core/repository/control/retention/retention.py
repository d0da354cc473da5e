"""Which points of a group a rule keeps, and for how long a shorter rule waits: pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Literal

from msgspec.structs import replace

from vmbackup_core.repository.control.points.points import Retention

Reason = Literal["last", "daily", "weekly", "monthly", "yearly", "not hurt"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point as a rule sees it; *is_hurt* says that some of its blocks cannot be restored."""

    made_at: datetime
    is_hurt: bool = False


@dataclass(frozen=True, slots=True)
class LiveRule:
    """What a policy says, and since when it says so."""

    retention: Retention
    since: datetime


_PERIODS: Final[dict[Reason, Callable[[datetime], Hashable]]] = {
    "daily": lambda moment: moment.date(),
    "weekly": lambda moment: moment.isocalendar()[:2],
    "monthly": lambda moment: (moment.year, moment.month),
    "yearly": lambda moment: moment.year,
}


def kept(points: Sequence[Candidate], rule: Retention) -> dict[int, tuple[Reason, ...]]:
    """Return which of *points*, by their place in it, are kept, and for which reasons.

    Periods are of UTC and only those that have a point are counted. Of a group that is not empty
    one is kept in any case, and one that is not hurt where there is one.
    """
    newest_first = sorted(
        range(len(points)), key=lambda place: (points[place].made_at, place), reverse=True
    )
    reasons: dict[int, list[Reason]] = {place: ["last"] for place in newest_first[: rule.last]}
    counts = {
        "daily": rule.daily,
        "weekly": rule.weekly,
        "monthly": rule.monthly,
        "yearly": rule.yearly,
    }
    for reason, period_of in _PERIODS.items():
        periods: set[Hashable] = set()
        for place in newest_first:
            period = period_of(points[place].made_at.astimezone(timezone.utc))
            if period not in periods and len(periods) < counts[reason]:
                periods.add(period)
                reasons.setdefault(place, []).append(reason)
    whole = [place for place in newest_first if not points[place].is_hurt]
    if whole and not reasons.keys() & set(whole):
        reasons[whole[0]] = ["not hurt"]
    return {place: tuple(said) for place, said in reasons.items()}


def rule_of(live: LiveRule | None, stamp: Retention, delay: timedelta, now: datetime) -> Retention:
    """Return the rule for a group whose newest point has *stamp*.

    Without a live policy that is the stamp. What the policy says is taken at once where it keeps
    more, and after *delay* where it keeps less: a slip of the hand deletes nothing before.
    """
    if live is None:
        return stamp
    if now >= live.since + delay:
        return live.retention
    return replace(
        live.retention,
        last=max(live.retention.last, stamp.last),
        daily=max(live.retention.daily, stamp.daily),
        weekly=max(live.retention.weekly, stamp.weekly),
        monthly=max(live.retention.monthly, stamp.monthly),
        yearly=max(live.retention.yearly, stamp.yearly),
    )
