"""Which points rules keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.repository.control.points.points import Retention
from vmbackup_core.repository.control.retention.retention import Candidate, LiveRule, kept, rule_of

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
MOMENTS = st.integers(0, 400 * 24).map(lambda hours: NOON - timedelta(hours=hours))
POINTS = st.lists(st.builds(Candidate, MOMENTS, st.booleans()), max_size=30)
FEW = st.integers(0, 4)
RULES = st.builds(Retention, st.integers(1, 4), FEW, FEW, FEW, FEW)


def nightly(count: int) -> list[Candidate]:
    return [Candidate(NOON - timedelta(days=age)) for age in range(count)]


@pytest.mark.parametrize(
    ("rule", "ages"),
    [
        pytest.param(Retention(1, 0, 0, 0, 0), [0], id="the last"),
        pytest.param(Retention(3, 0, 0, 0, 0), [0, 1, 2], id="the last three"),
        pytest.param(Retention(1, 4, 0, 0, 0), [0, 1, 2, 3], id="days"),
        # 31 March 2026 is a Tuesday
        pytest.param(Retention(1, 0, 3, 0, 0), [0, 2, 9], id="weeks from Monday"),
        pytest.param(Retention(1, 0, 0, 3, 0), [0, 31, 59], id="months"),
        pytest.param(Retention(1, 0, 0, 0, 3), [0, 90, 455], id="years"),
    ],
)
def test_nightly_points_are_kept_by_the_rule(rule: Retention, ages: list[int]) -> None:
    assert sorted(kept(nightly(700), rule)) == ages


def test_the_newest_of_a_day_is_kept_for_it() -> None:
    points = [Candidate(NOON - timedelta(hours=age)) for age in range(0, 60, 6)]

    assert sorted(kept(points, Retention(1, 2, 0, 0, 0))) == [0, 3]


def test_days_without_a_point_are_not_counted() -> None:
    points = [Candidate(NOON - timedelta(days=age)) for age in (0, 5, 50, 80)]

    assert sorted(kept(points, Retention(1, 3, 0, 0, 0))) == [0, 1, 2]


def test_a_day_is_of_utc() -> None:
    one, other = "2026-03-31T00:30:00+02:00", "2026-03-30T23:30:00+00:00"
    points = [Candidate(datetime.fromisoformat(text)) for text in (one, other)]

    assert kept(points, Retention(1, 5, 0, 0, 0)) == {1: ("last", "daily")}


@given(POINTS, RULES)
def test_the_newest_is_always_kept_and_one_that_is_not_hurt(
    points: list[Candidate], rule: Retention
) -> None:
    keeps = kept(points, rule)

    assert bool(keeps) == bool(points)
    if points:
        assert max(point.made_at for point in points) in {points[each].made_at for each in keeps}
    if any(not point.is_hurt for point in points):
        assert any(not points[each].is_hurt for each in keeps)
    assert all(keeps.values())


@given(POINTS, RULES, RULES)
def test_a_rule_that_keeps_more_keeps_all_that_the_other_does(
    points: list[Candidate], one: Retention, other: Retention
) -> None:
    longer = rule_of(LiveRule(one, NOON), other, timedelta(days=1), NOON)
    whole = [Candidate(point.made_at) for point in points]

    assert set(kept(whole, one)) | set(kept(whole, other)) <= set(kept(whole, longer))


@given(POINTS, RULES)
def test_what_was_kept_is_kept_when_the_rest_has_gone(
    points: list[Candidate], rule: Retention
) -> None:
    """Expiring in two passes lets go what one pass lets go."""
    keeps = sorted(kept(points, rule))

    assert len(kept([points[each] for each in keeps], rule)) == len(keeps)


@given(POINTS, RULES)
def test_the_order_of_the_points_does_not_matter(points: list[Candidate], rule: Retention) -> None:
    distinct = list({point.made_at: point for point in points}.values())

    keeps = {distinct[each].made_at for each in kept(distinct, rule)}

    assert {distinct[::-1][each].made_at for each in kept(distinct[::-1], rule)} == keeps


LESS, MORE = Retention(1, 9, 0, 0, 0), Retention(5, 3, 0, 0, 0)


@pytest.mark.parametrize(
    ("live", "age", "rule"),
    [
        pytest.param(None, 0, MORE, id="no policy: the stamp"),
        pytest.param(LESS, 6, Retention(5, 9, 0, 0, 0), id="the longer of each before the delay"),
        pytest.param(LESS, 7, LESS, id="the policy after it"),
    ],
)
def test_a_shorter_rule_waits(live: Retention | None, age: int, rule: Retention) -> None:
    said = None if live is None else LiveRule(live, NOON - timedelta(days=age))

    assert rule_of(said, MORE, timedelta(days=7), NOON) == rule
