"""Until when a point is kept, as its rule and its policy's schedule have it when it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worlds.memory_policies import policy
from vmbackup_core.retention.ends import LONGEST, no_slots
from vmbackup_core.retention.keeping import InForce, keep
from vmbackup_operator.model.backup_policy import ArchivedPoints, Schedule
from vmbackup_operator.model.retention import SessionRetention as Retention
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.keeping import kept_until, slots_of
from vmbackup_operator.policies.schedule import slots_after

NIGHTLY = Schedule(cron="0 1 * * *")
HOURLY = Schedule(cron="30 * * * *")
SUNDAYS = Schedule(cron="0 1 * * 0")
ODD = Schedule(cron="0 */9 * * 1-5", time_zone="Europe/Berlin")


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
            Retention(1, daily=2, time_zone="America/Havana"),
            Schedule(cron="0 12,23 * * *"),
            "2026-11-24T12:00",
            "2026-11-24T23:00",
            id="a day elsewhere",
        ),
        pytest.param(
            Retention(1, within_days=30), HOURLY, "2026-11-24T01:31", "2026-12-24T01:31", id="age"
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
    assert kept_until(retention.rule, schedule, at(taken)) == at(end)


@given(
    retention=st.builds(
        Retention,
        last=st.integers(1, 9),
        hourly=st.integers(0, 9),
        daily=st.integers(0, 9),
        weekly=st.integers(0, 4),
        monthly=st.integers(0, 2),
        within_days=st.integers(0, 9),
        time_zone=st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/Havana"]),
    ),
    schedule=st.sampled_from([NIGHTLY, SUNDAYS, ODD]),
    minutes=st.integers(0, 60 * 24 * 400),
)
def test_that_is_when_expire_would_let_it_go_were_each_slot_to_make_a_point(
    retention: Retention, schedule: Schedule, minutes: int
) -> None:
    taken = next(slots_after(schedule, at("2026-01-01T00:00") + timedelta(minutes=minutes)))
    rules, made = [InForce(retention.rule)], [taken]

    found = kept_until(retention.rule, schedule, taken)

    for slot in slots_after(schedule, taken):
        if slot >= found:
            break
        made.append(slot)
    assert 0 in keep(made, rules, made[-1])
    upto = [*made, slot] if slot == found else made
    assert 0 not in keep(upto, rules, found)


def test_no_point_is_to_come_of_a_policy_that_is_gone_rests_or_has_no_schedule() -> None:
    there = policy(ArmId("/vm"))
    scheduled = replace(there, spec=replace(there.spec, schedule=NIGHTLY))
    resting = replace(there, spec=replace(scheduled.spec, suspend=True))
    triggered = replace(there, spec=replace(there.spec, schedule=None))

    assert next(slots_of(scheduled)(at("2026-01-01T00:00"))) == at("2026-01-01T01:00")
    for each in (None, resting, triggered):
        assert slots_of(each) is no_slots


def test_a_schedule_that_is_none_is_as_a_point_each_day() -> None:
    taken = at("2026-11-24T01:00")

    assert kept_until(Retention(3).rule, Schedule(cron="0 0 31 2 *"), taken) == taken + timedelta(
        days=3
    )


@pytest.mark.parametrize(
    ("retention", "points", "taken", "end"),
    [
        pytest.param(Retention(3), "All", "2026-11-10T01:00", "2026-11-13T01:00", id="all"),
        pytest.param(Retention(3), "Weekly", "2026-11-10T01:00", "2026-11-30T01:00", id="weekly"),
        pytest.param(Retention(3), "Monthly", "2026-11-01T01:00", "2027-02-01T01:00", id="monthly"),
        pytest.param(
            Retention(1, yearly=7), "Yearly", "2026-11-10T01:00", "2033-01-01T01:00", id="yearly"
        ),
        pytest.param(
            Retention(1, monthly=12), "Monthly", "2026-11-10T01:00", "2027-11-01T01:00", id="a year"
        ),
        pytest.param(
            Retention(1, monthly=3), "Yearly", "2026-11-10T01:00", "2029-01-01T01:00", id="rarer"
        ),
    ],
)
def test_an_archived_point_is_kept_until_newer_archives_have_pushed_it_out(
    retention: Retention, points: ArchivedPoints, taken: str, end: str
) -> None:
    assert kept_until(retention.rule, NIGHTLY, at(taken), points) == at(end)


def test_archived_points_come_at_the_first_slots_of_the_zones_months() -> None:
    berlin = Retention(1, monthly=2, time_zone="Europe/Berlin")
    schedule = Schedule(cron="30 23 * * *", time_zone="Etc/UTC")  # half past midnight there
    taken = at("2026-11-30T23:30")  # December

    assert kept_until(berlin.rule, schedule, taken, "Monthly") == at("2027-01-31T23:30")


def test_a_policy_without_a_schedule_archives_as_if_it_backed_up_daily() -> None:
    found = kept_until(Retention(2).rule, None, at("2026-11-10T01:00"), "Weekly")

    assert at("2026-11-23T00:00") <= found < at("2026-11-24T00:00")


def test_no_rule_locks_for_more_than_a_hundred_years() -> None:
    taken = at("2026-12-31T01:00")

    assert kept_until(Retention(1, yearly=10_000).rule, NIGHTLY, taken) == taken + LONGEST
