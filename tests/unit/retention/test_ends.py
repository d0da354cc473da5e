"""Until when a point is kept, if newer ones come when they are due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.retention.retentions import NOON, retentions, series
from vmbackup_core.retention.ends import LONGEST, kept_until, no_slots
from vmbackup_core.retention.keeping import InForce, Why, keep
from vmbackup_core.retention.rules import Retention

DAY = timedelta(days=1)


class Slots:
    """A point each so many hours, counted from 1970."""

    def __init__(self, gap: timedelta) -> None:
        self.gap = gap

    def __call__(self, moment: datetime) -> Iterator[datetime]:
        gap_s = self.gap.total_seconds()
        first = moment.timestamp() // gap_s + 1
        for number in count():
            yield datetime.fromtimestamp((first + number) * gap_s, tz=NOON.tzinfo)


def every(hours: int) -> Slots:
    return Slots(timedelta(hours=hours))


def end(rule: Retention, taken: datetime = NOON, *newer: datetime, hours: int = 24) -> datetime:
    points = [taken, *newer]
    whys = keep(points, [InForce(rule)], max(points))[0]
    found = kept_until(whys, taken, newer, every(hours), max(points))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("rule", "hours", "after"),
    [
        pytest.param(Retention(7, 0, 0, 0, 0), 24, 6.5 * DAY, id="last"),
        pytest.param(Retention(1, 0, 0, 0, 0, min_successful=3), 24, 2.5 * DAY, id="successful"),
        pytest.param(Retention(1, 14, 0, 0, 0), 24, 13.5 * DAY, id="days"),
        pytest.param(Retention(1, 14, 0, 0, 0), 1, timedelta(hours=1), id="not the day's"),
        pytest.param(Retention(1, 0, 0, 0, 0, within_days=30), 24, 30 * DAY, id="by age"),
        pytest.param(Retention(1, 0, 0, 0, 0, hourly=5), 1, timedelta(hours=5), id="hours"),
    ],
)
def test_a_point_is_kept_until_newer_ones_have_pushed_it_out(
    rule: Retention, hours: int, after: timedelta
) -> None:
    assert end(rule, hours=hours) == NOON + after


def test_points_that_have_come_since_are_counted() -> None:
    assert end(Retention(3, 0, 0, 0, 0), NOON, NOON + DAY) == NOON + 2.5 * DAY


def test_where_none_comes_only_an_age_has_an_end() -> None:
    by_age, by_count = Why("withinDays", 30), Why("last", 7)

    assert kept_until([by_age], NOON, (), no_slots, NOON) == NOON + 30 * DAY
    assert kept_until([by_age, by_count], NOON, (), no_slots, NOON) is None


def test_a_retention_that_waits_ends_when_its_wait_does() -> None:
    until = NOON + 2 * DAY

    assert kept_until([Why("last", 7, until)], NOON, (), every(24), NOON) == until
    assert kept_until([Why("last", 7, until)], NOON, (), no_slots, NOON) == until
    assert kept_until([Why("last", 1, until)], NOON, (), every(24), NOON) == NOON + DAY / 2


def test_nothing_is_kept_for_more_than_a_hundred_years() -> None:
    taken = datetime(2026, 12, 31, 12, tzinfo=NOON.tzinfo)

    assert end(Retention(1, 0, 0, 0, 10_000), taken) == taken + LONGEST


@given(
    series(most=8).filter(bool),
    retentions,
    st.sampled_from([1, 5, 23, 24, 25, 24 * 8]),
    st.integers(0, 72),
    st.frozensets(st.integers(0, 7)),
)
def test_that_is_when_a_point_would_go_were_each_slot_to_make_one(
    points: list[datetime], rule: Retention, hours: int, late: int, hurt: frozenset[int]
) -> None:
    """Over every change of clocks, with points before that came whenever they did.

    Some of these have lost blocks since: they count for all lines but one.
    """
    now = points[-1] + timedelta(hours=late)
    rules, slots = [InForce(rule)], every(hours)
    lost = hurt & {*range(len(points))}
    is_hurt = lost.__contains__
    for place, whys in keep(points, rules, now, is_hurt).items():
        taken, newer = points[place], points[place + 1 :]
        behind = sum(other > place for other in lost)
        found = kept_until(whys, taken, newer, slots, now, hurt=behind)

        assert found is not None
        comes = list(islice(slots(now), 3000))
        before = [slot for slot in comes if slot < found]
        if len(before) < len(comes):
            assert place in keep([*points, *before], rules, max([now, *before]), is_hurt)
            upto = [slot for slot in comes if slot <= found]
            assert place not in keep([*points, *upto], rules, max([found, now]), is_hurt)
