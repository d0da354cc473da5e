"""Which retentions count while one that keeps less waits."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.retention.retentions import NOON, retentions
from vmbackup_core.retention.in_force import (
    HELD_MOST,
    LiveRule,
    Stamp,
    next_stamp,
    rules_in_force,
)
from vmbackup_core.retention.keeping import InForce, keep
from vmbackup_core.retention.rules import Retention, covers

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
MORE, LESS, OTHER = (
    Retention(5, 3, 0, 0, 0),
    Retention(2, 3, 0, 0, 0),
    Retention(1, 9, 0, 0, 0),
)
berlin = Retention(5, 3, 0, 0, 0, time_zone="Europe/Berlin")


def of(*rules: InForce) -> list[tuple[Retention, datetime | None]]:
    return [(each.retention, each.until) for each in rules]


@pytest.mark.parametrize(
    ("live", "days", "rules"),
    [
        pytest.param(None, 0, [(MORE, None)], id="no policy: the stamp"),
        pytest.param(LESS, 6, [(LESS, None), (MORE, NOON + DAY)], id="less, before the delay"),
        pytest.param(LESS, 7, [(LESS, None)], id="less, after it"),
        pytest.param(OTHER, 6, [(OTHER, None), (MORE, NOON + DAY)], id="partly less"),
        pytest.param(Retention(9, 3, 0, 0, 0), 0, [(Retention(9, 3, 0, 0, 0), None)], id="more"),
        pytest.param(berlin, 6, [(berlin, None), (MORE, NOON + DAY)], id="other days"),
    ],
)
def test_a_shorter_retention_waits_behind_the_stamp(
    live: Retention | None, days: int, rules: list[tuple[Retention, datetime | None]]
) -> None:
    said = None if live is None else LiveRule(live, NOON - timedelta(days=days))

    assert of(*rules_in_force(said, Stamp(MORE), WEEK, NOON)) == rules


def test_what_a_stamp_waits_for_counts_until_its_end_without_any_policy() -> None:
    stamp = next_stamp(LESS, Stamp(MORE), WEEK, NOON)

    before = rules_in_force(None, stamp, WEEK, NOON + 6 * DAY)
    after = rules_in_force(None, stamp, WEEK, NOON + 7 * DAY)

    assert of(*before) == [(LESS, None), (MORE, NOON + WEEK)]
    assert of(*after) == [(LESS, None)]


def test_a_stamp_hands_on_what_still_waits_and_nothing_else() -> None:
    first = next_stamp(LESS, Stamp(MORE), WEEK, NOON)
    second = next_stamp(LESS, first, WEEK, NOON + 3 * DAY)

    assert second == first
    assert next_stamp(LESS, first, WEEK, NOON + 7 * DAY) == Stamp(LESS)
    assert next_stamp(MORE, first, WEEK, NOON + 3 * DAY) == Stamp(MORE)


def test_the_first_point_waits_for_nothing() -> None:
    assert next_stamp(LESS, None, WEEK, NOON) == Stamp(LESS)


def test_of_many_changes_none_is_forgotten() -> None:
    """Whoever edits a policy over and over pushes nothing out of what counts."""
    stamp = next_stamp(MORE, None, WEEK, NOON)
    for number in range(30):
        rule = Retention(1, number % 3, 30 - number, 0, 0)
        stamp = next_stamp(rule, stamp, WEEK, NOON + timedelta(hours=number))

    assert len(stamp.held) == HELD_MOST
    assert any(covers(each.retention, MORE) for each in stamp.held)


def test_a_moment_ahead_of_now_makes_a_shorter_retention_wait() -> None:
    live = LiveRule(LESS, NOON + 400 * DAY)

    assert len(rules_in_force(live, Stamp(MORE), WEEK, NOON)) == 2


@given(
    st.lists(st.tuples(retentions, st.booleans(), st.integers(1, 60)), min_size=1, max_size=20),
    st.integers(0, 10),
)
def test_whoever_edits_or_deletes_a_policy_lets_go_of_nothing_that_a_week_ago_was_kept(
    nights: list[tuple[Retention, bool, int]], delay_days: int
) -> None:
    """Each point let go is one that no retention keeps with which a point was made since.

    Each night has the policy's retention, whether the policy is there when points are let go, and
    the hours until the next one.
    """
    delay = timedelta(days=delay_days)
    points: list[datetime] = []
    made: list[tuple[datetime, Retention]] = []
    stamp, since, now = None, NOON, NOON
    for number, (said, is_there, hours) in enumerate(nights):
        if number and said != made[-1][1]:
            since = now
        stamp = next_stamp(said, stamp, delay, now)
        points.append(now)
        made.append((now, said))
        rules = rules_in_force(LiveRule(said, since) if is_there else None, stamp, delay, now)
        keeps = keep(points, rules, now)

        lately = [rule for at, rule in made if at > now - delay]
        wanted = {place for rule in lately for place in keep(points, [InForce(rule)], now)}
        if len({rule.time_zone for _, rule in made}) == 1 or len(stamp.held) < HELD_MOST:
            assert wanted <= keeps.keys()
        points = [points[place] for place in keeps]
        now += timedelta(hours=hours)
