"""Which points a retention keeps, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.retention.retentions import (
    CALENDAR,
    NOON,
    newest_by_calendar,
    retentions,
    series,
    zones,
)
from vmbackup_core.retention.keeping import InForce, Why, keep
from vmbackup_core.retention.rules import Line, Retention, covers, longest

jumps = st.integers(-4000, 4000).map(lambda days: timedelta(days=days))
hurts = st.frozensets(st.integers(0, 30))


def kept(points: list[datetime], rule: Retention, now: datetime = NOON) -> set[datetime]:
    return {points[place] for place in keep(points, [InForce(rule)], now)}


def last_of(points: list[datetime]) -> datetime:
    return max(points, default=NOON)


def nightly(count: int) -> list[datetime]:
    return [NOON - timedelta(days=age) for age in range(count)]


@pytest.mark.parametrize(
    ("rule", "ages"),
    [
        pytest.param(Retention(1, 0, 0, 0, 0), [0], id="the last"),
        pytest.param(Retention(3, 0, 0, 0, 0), [0, 1, 2], id="the last three"),
        pytest.param(Retention(1, 4, 0, 0, 0), [0, 1, 2, 3], id="days"),
        pytest.param(Retention(1, 0, 0, 0, 0, hourly=3), [0, 1, 2], id="hours that have a point"),
        # 31 March 2026 is a Tuesday
        pytest.param(Retention(1, 0, 3, 0, 0), [0, 2, 9], id="weeks from Monday"),
        pytest.param(Retention(1, 0, 0, 3, 0), [0, 31, 59], id="months"),
        pytest.param(Retention(1, 0, 0, 0, 3), [0, 90, 455], id="years"),
        pytest.param(Retention(1, 0, 0, 0, 0, within_days=2), [0, 1], id="by age"),
        pytest.param(Retention(1, 0, 0, 0, 0, min_successful=3), [0, 1, 2], id="successful"),
    ],
)
def test_nightly_points_are_kept_by_the_rule(rule: Retention, ages: list[int]) -> None:
    assert sorted(keep(nightly(700), [InForce(rule)], NOON)) == ages


def test_each_line_that_keeps_a_point_is_a_reason() -> None:
    rule = Retention(1, 2, 0, 0, 0, hourly=1, within_days=1, time_zone="Europe/Berlin")
    zone = "Europe/Berlin"

    found = keep(nightly(3), [InForce(rule)], NOON)

    assert list(map(str, found[0])) == [
        "last 1", "hourly 1", "daily 2", "withinDays 1", "minSuccessful 1",
    ]  # fmt: skip
    assert found[1] == (Why("daily", 2, time_zone=zone),)
    assert set(found) == {0, 1}


def test_a_retention_that_counts_until_a_moment_says_so() -> None:
    until = NOON + timedelta(days=2)
    rules = [InForce(Retention(1, 0, 0, 0, 0)), InForce(Retention(2, 0, 0, 0, 0), until)]

    found = keep(nightly(3), rules, NOON)

    assert list(map(str, found[1])) == ["last 2 (until 2026-04-02 12:00Z)"]
    assert set(found) == {0, 1}


def test_a_day_is_of_the_time_zone() -> None:
    late, early = (datetime.fromisoformat(f"2026-03-30T{at}:30+00:00") for at in (21, 22))

    assert kept([late, early], Retention(1, 5, 0, 0, 0)) == {early}
    assert kept([late, early], Retention(1, 5, 0, 0, 0, time_zone="Europe/Berlin")) == {late, early}


def test_days_without_a_point_are_not_counted() -> None:
    points = [NOON - timedelta(days=age) for age in (0, 5, 50, 80)]

    assert sorted(keep(points, [InForce(Retention(1, 3, 0, 0, 0))], NOON)) == [0, 1, 2]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """At 01:00 UTC on 25 October 2026 Berlin puts its clocks back from 03:00 to 02:00."""
    first = datetime.fromisoformat("2026-10-25T00:30+00:00")
    points = [first, first + timedelta(hours=1)]
    rule = Retention(1, 0, 0, 0, 0, hourly=2, time_zone="Europe/Berlin")

    assert kept(points, rule) == set(points)


def test_points_of_one_moment_are_points_each_and_of_a_period_one_of_them_is_kept() -> None:
    twins = [NOON, NOON, NOON - timedelta(days=1)]

    by_number = keep(twins, [InForce(Retention(2, 0, 0, 0, 0))], NOON)
    by_day = keep(twins, [InForce(Retention(1, 2, 0, 0, 0))], NOON)

    assert set(by_number) == {0, 1}
    # The same one each time that it is asked: what is let go is no matter of luck.
    assert set(by_day) == {1, 2}


def test_points_ahead_of_now_are_the_newest_and_take_no_older_ones_age() -> None:
    ahead = NOON + timedelta(days=400)
    points = [ahead, *nightly(5)]

    found = keep(points, [InForce(Retention(1, 0, 0, 0, 0, within_days=2))], NOON)

    assert set(found) == {0, 1, 2}
    assert list(map(str, found[0])) == ["last 1", "withinDays 2", "minSuccessful 1"]


@pytest.mark.parametrize("wanted", [1, 3])
def test_where_all_newer_ones_are_damaged_the_last_good_ones_stay(wanted: int) -> None:
    points = nightly(20)
    rule = Retention(1, 0, 0, 0, 0, min_successful=wanted)

    found = keep(points, [InForce(rule)], NOON, lambda place: place < 15)

    assert set(found) == {0, *range(15, 15 + wanted)}


def test_where_none_is_whole_those_that_other_lines_keep_are_all() -> None:
    rule = Retention(2, 0, 0, 0, 0, min_successful=5)

    assert set(keep(nightly(20), [InForce(rule)], NOON, lambda _place: True)) == {0, 1}


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        pytest.param("America/Sao_Paulo", "2017-10-15T02:59", "2017-10-15T03:00", id="skipped"),
        pytest.param("Asia/Beirut", "2026-03-28T21:59", "2026-03-28T22:00", id="skipped elsewhere"),
        pytest.param("Pacific/Apia", "2011-12-30T09:59", "2011-12-30T10:00", id="a whole day"),
    ],
)
def test_a_day_ends_where_its_midnight_is_skipped(zone: str, before: str, after: str) -> None:
    points = [datetime.fromisoformat(f"{each}+00:00") for each in (before, after)]
    rule = Retention(1, 2, 0, 0, 0, time_zone=zone)

    assert kept(points, rule) == set(points)
    assert kept(points, Retention(1, 2, 0, 0, 0)) == {points[1]}


def test_an_hour_that_is_skipped_is_none() -> None:
    """At 01:00 UTC on 29 March 2026 Berlin puts its clocks on from 02:00 to 03:00."""
    first = datetime.fromisoformat("2026-03-29T00:30+00:00")
    points = [first + timedelta(hours=number) for number in range(-1, 2)]

    assert kept(points, Retention(1, 0, 0, 0, 0, hourly=2, time_zone="Europe/Berlin")) == {
        first,
        first + timedelta(hours=1),
    }


def test_a_day_whose_midnight_comes_twice_is_one_day() -> None:
    """At 03:00 UTC on 18 February 2018 São Paulo puts its clocks back from midnight to 23:00."""
    change = datetime.fromisoformat("2018-02-18T02:00+00:00")
    points = [change + timedelta(minutes=minutes) for minutes in (-30, 30, 90)]
    rule = Retention(1, 5, 0, 0, 0, time_zone="America/Sao_Paulo")

    assert [f"{each.astimezone(ZoneInfo(rule.time_zone)):%d %H:%M}" for each in points] == [
        "17 23:30",
        "17 23:30",
        "18 00:30",
    ]
    assert kept(points, rule) == set(points[1:])


def test_a_zone_that_is_not_known_here_is_read_as_utc() -> None:
    points = [NOON - timedelta(hours=6 * age) for age in range(20)]

    odd = Retention(1, 3, 0, 0, 0, time_zone="Mars/Olympus_Mons")
    assert kept(points, odd) == kept(points, Retention(1, 3, 0, 0, 0))


@given(series(), st.sampled_from(sorted(CALENDAR)), st.integers(1, 6), zones)
def test_over_every_change_of_clocks_the_newest_of_each_period_is_kept(
    points: list[datetime], line: Line, count: int, zone: str
) -> None:
    counts = dict.fromkeys(CALENDAR, 0) | {line: count}
    rule = Retention(last=1, **counts, time_zone=zone)

    keeps = {
        points[place]
        for place, whys in keep(points, [InForce(rule)], NOON).items()
        if line in {why.line for why in whys}
    }

    assert keeps == newest_by_calendar(points, line, count, zone)


@given(series(), retentions, hurts, jumps)
def test_whatever_the_clock_says_the_newest_whole_points_are_kept(
    points: list[datetime], rule: Retention, hurt: frozenset[int], jump: timedelta
) -> None:
    found = keep(points, [InForce(rule)], last_of(points) + jump, hurt.__contains__)

    whole = [place for place in range(len(points)) if place not in hurt]
    assert set(whole[-rule.min_successful :]) <= set(found)
    assert bool(found) == bool(points)
    if points:
        assert len(points) - 1 in found
    assert all(found.values())


@given(series(), retentions, jumps, st.integers(0, 400))
def test_a_clock_that_is_behind_lets_nothing_more_go(
    points: list[datetime], rule: Retention, jump: timedelta, days: int
) -> None:
    now = last_of(points) + jump

    assert kept(points, rule, now) <= kept(points, rule, now - timedelta(days=days))


@given(series(), retentions, jumps)
def test_no_jump_of_the_clock_changes_what_lines_keep_that_count(
    points: list[datetime], rule: Retention, jump: timedelta
) -> None:
    def by_counts(now: datetime) -> dict[int, set[Line]]:
        found = keep(points, [InForce(rule)], now)
        lines = {place: {why.line for why in whys} for place, whys in found.items()}
        return {place: said - {"withinDays"} for place, said in lines.items() if said}

    now = last_of(points)
    before, after = by_counts(now), by_counts(now + jump)

    assert {place: said for place, said in before.items() if said} == {
        place: said for place, said in after.items() if said
    }


@given(series(), st.lists(retentions, min_size=1, max_size=3), jumps)
def test_what_was_kept_is_kept_when_the_rest_has_gone(
    points: list[datetime], rules: list[Retention], jump: timedelta
) -> None:
    """Expiring in two passes lets go what one pass lets go."""
    now, in_force = last_of(points) + jump, list(map(InForce, rules))
    keeps = [points[place] for place in keep(points, in_force, now)]

    assert len(keep(keeps, in_force, now)) == len(keeps)


@given(series(), retentions, st.integers(1, 60 * 24 * 60), st.integers(0, 90))
def test_what_is_not_kept_is_not_kept_either_when_a_newer_point_has_come(
    points: list[datetime], rule: Retention, minutes: int, days: int
) -> None:
    """So it matters to none of them when a pass comes."""
    now = last_of(points)
    newer = now + timedelta(minutes=minutes)

    after = kept([*points, newer], rule, now + timedelta(days=days))

    assert after <= kept(points, rule, now) | {newer}


@given(series(), retentions, retentions)
def test_a_retention_that_covers_another_keeps_all_that_that_one_does(
    points: list[datetime], one: Retention, other: Retention
) -> None:
    now = last_of(points)
    both = longest(one, other)

    assert covers(one, one)
    if covers(one, other):
        assert kept(points, other, now) <= kept(points, one, now)
    if one.time_zone == other.time_zone or not (one.has_periods and other.has_periods):
        assert covers(both, one)
        assert covers(both, other)


@given(series(), retentions)
def test_the_order_of_the_points_does_not_matter(points: list[datetime], rule: Retention) -> None:
    assert kept(points[::-1], rule) == kept(points, rule)
