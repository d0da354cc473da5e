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


AGES = Retention(1, 0, 0, 0, 0, within_days=365)
FEWER = Retention(1, 0, 0, 0, 0, within_days=30)


def test_what_a_policy_said_that_no_point_was_made_with_counts_until_its_delay_is_over() -> None:
    """It kept more for a while in which nothing was backed up, and was then put back."""
    first = LiveRule(FEWER, NOON)
    raised = first.replaced_by(AGES, NOON + 10 * DAY)
    cut = raised.replaced_by(FEWER, NOON + 100 * DAY)

    before = rules_in_force(cut, Stamp(FEWER), WEEK, NOON + 106 * DAY)
    after = rules_in_force(cut, Stamp(FEWER), WEEK, NOON + 107 * DAY)

    assert of(*before) == [(FEWER, None), (AGES, NOON + 107 * DAY)]
    assert of(*after) == [(FEWER, None)]


def test_reduced_twice_in_a_row_each_waits_for_its_own_end() -> None:
    live = LiveRule(MORE, NOON)
    for day, rule in ((1, OTHER), (3, FEWER)):
        live = live.replaced_by(rule, NOON + day * DAY)

    found = rules_in_force(live, Stamp(MORE), WEEK, NOON + 4 * DAY)

    # The newest point's counts from the last change on.
    assert sorted(of(*found)[1:], key=str) == sorted(
        [(OTHER, NOON + 10 * DAY), (MORE, NOON + 10 * DAY)], key=str
    )


def test_raised_again_within_the_delay_nothing_waits() -> None:
    live = LiveRule(MORE, NOON).replaced_by(LESS, NOON + DAY).replaced_by(MORE, NOON + 2 * DAY)

    assert live.before == ()
    assert of(*rules_in_force(live, Stamp(MORE), WEEK, NOON + 3 * DAY)) == [(MORE, None)]


def test_of_what_a_policy_said_a_year_ago_nothing_is_kept() -> None:
    live = LiveRule(MORE, NOON).replaced_by(LESS, NOON)

    assert live.replaced_by(FEWER, NOON + 364 * DAY).before[-1] == InForce(MORE, NOON)
    assert InForce(MORE, NOON) not in live.replaced_by(FEWER, NOON + 366 * DAY).before


def test_a_change_that_lies_ahead_of_now_counts_as_one_of_now() -> None:
    live = LiveRule(MORE, NOON).replaced_by(LESS, NOON + 400 * DAY)

    assert of(*rules_in_force(live, Stamp(LESS), WEEK, NOON)) == [
        (LESS, None),
        (MORE, NOON + WEEK),
    ]


def test_of_many_changes_of_a_policy_none_is_forgotten() -> None:
    live = LiveRule(MORE, NOON)
    for number in range(30):
        rule = Retention(1, number % 3, 30 - number, 0, 0)
        live = live.replaced_by(rule, NOON + timedelta(hours=number))

    assert len(live.before) == HELD_MOST
    assert any(covers(each.retention, MORE) for each in live.before)


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


@given(
    st.lists(st.tuples(retentions, st.booleans(), st.integers(1, 60)), min_size=1, max_size=20),
    st.integers(0, 10),
)
def test_whoever_edits_a_policy_lets_go_of_nothing_that_it_said_to_keep_a_week_ago(
    nights: list[tuple[Retention, bool, int]], delay_days: int
) -> None:
    """Whether a point was made while the policy said so, or none was.

    Each night has the policy's retention, whether it was backed up, and the hours until the next.
    """
    delay, now = timedelta(days=delay_days), NOON
    live, stamp = LiveRule(nights[0][0], NOON), next_stamp(nights[0][0], None, delay, NOON)
    points, said_until = [NOON], dict[Retention, datetime]()
    for said, backed_up, hours in nights:
        if said != live.retention:
            said_until[live.retention] = now
            live = live.replaced_by(said, now)
        if backed_up:
            stamp = next_stamp(said, stamp, delay, now)
            points.append(now)
        keeps = keep(points, rules_in_force(live, stamp, delay, now), now)

        lately = [said, *(rule for rule, until in said_until.items() if until > now - delay)]
        wanted = {place for rule in lately for place in keep(points, [InForce(rule)], now)}
        if len({rule.time_zone for rule, _, _ in nights}) == 1 or len(live.before) < HELD_MOST:
            assert wanted <= keeps.keys()
        points = [points[place] for place in keeps]
        now += timedelta(hours=hours)
