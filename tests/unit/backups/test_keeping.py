"""Until when a point is kept, as its rule and its policy's schedule have it when it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.repository.control.points import points
from vmbackup_core.repository.control.retention.retention import Candidate, kept
from vmbackup_operator.backups.keeping import LONGEST, kept_until
from vmbackup_operator.model.backup_policy import Schedule
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.policies.schedule import slots_after

NIGHTLY = Schedule(cron="0 1 * * *")
HOURLY = Schedule(cron="30 * * * *")
SUNDAYS = Schedule(cron="0 1 * * 0")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("retention", "schedule", "taken", "end"),
    [
        pytest.param(Retention(7), NIGHTLY, "2026-11-24T01:01", "2026-12-01T01:00", id="last"),
        pytest.param(Retention(7), HOURLY, "2026-11-24T01:31", "2026-11-24T08:30", id="hours"),
        pytest.param(Retention(7), None, "2026-11-24T01:31", "2026-12-01T01:31", id="no schedule"),
        pytest.param(
            Retention(1, daily=14), NIGHTLY, "2026-11-24T01:01", "2026-12-08T01:00", id="daily"
        ),
        pytest.param(
            Retention(1, daily=14),
            HOURLY,
            "2026-11-24T01:31",
            "2026-11-24T02:30",
            id="not the day's",
        ),
        pytest.param(
            Retention(1, weekly=8), NIGHTLY, "2026-11-24T01:01", "2026-11-25T01:00", id="a Tuesday"
        ),
        pytest.param(
            Retention(1, weekly=8), NIGHTLY, "2026-11-29T01:01", "2027-01-18T01:00", id="a Sunday"
        ),
        pytest.param(
            Retention(1, monthly=3), SUNDAYS, "2026-11-29T01:01", "2027-02-07T01:00", id="a month's"
        ),
        pytest.param(
            Retention(1, yearly=2), NIGHTLY, "2026-12-31T01:01", "2028-01-01T01:00", id="a year's"
        ),
    ],
)
def test_a_point_is_kept_until_newer_ones_have_pushed_it_out(
    retention: Retention, schedule: Schedule | None, taken: str, end: str
) -> None:
    assert kept_until(retention, schedule, at(taken)) == at(end)


@given(
    retention=st.builds(
        Retention,
        last=st.integers(1, 9),
        daily=st.integers(0, 9),
        weekly=st.integers(0, 4),
        monthly=st.integers(0, 2),
    ),
    schedule=st.sampled_from([NIGHTLY, SUNDAYS, Schedule(cron="0 */9 * * 1-5")]),
    minutes=st.integers(0, 60 * 24 * 400),
)
def test_that_is_when_expire_would_let_it_go_were_each_slot_to_make_a_point(
    retention: Retention, schedule: Schedule, minutes: int
) -> None:
    taken = next(slots_after(schedule, at("2026-01-01T00:00") + timedelta(minutes=minutes)))
    rule = points.Retention(
        retention.last, retention.daily, retention.weekly, retention.monthly, retention.yearly
    )
    made = [Candidate(taken)]

    for slot in slots_after(schedule, taken):
        made.append(Candidate(slot))
        if 0 not in kept(made, rule):
            break

    assert kept_until(retention, schedule, taken) == made[-1].made_at


def test_a_schedule_that_is_none_is_as_a_point_each_day() -> None:
    taken = at("2026-11-24T01:00")

    assert kept_until(Retention(3), Schedule(cron="0 0 31 2 *"), taken) == taken + timedelta(days=3)


def test_no_rule_locks_for_more_than_a_hundred_years() -> None:
    taken = at("2026-12-31T01:00")

    assert kept_until(Retention(1, yearly=10_000), NIGHTLY, taken) == taken + LONGEST
