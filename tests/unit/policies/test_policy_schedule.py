"""When policies are due: time zones, clock changes, jitter, deadlines, catching up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Schedule
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.policies.schedule import due, jitter_of, slots_after

KEY = ObjectKey("team", "nightly")
BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(schedule: Schedule, after: str, count: int) -> list[str]:
    found = islice(slots_after(schedule, at(after)), count)
    return [f"{slot:%m-%dT%H:%M}" for slot in found]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("30 2 * * *", "2026-03-28T00:00", ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        ("30 2 * * *", "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30", "10-27T01:30"]),
        ("0 * * * *", "2026-03-29T00:30", ["03-29T01:00", "03-29T02:00"]),
        ("0 * * * *", "2026-10-24T23:30", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
        ("0 3 * * 1", "2026-11-20T00:00", ["11-23T02:00", "11-30T02:00"]),
    ],
    ids=[
        "daily, skipped hour",
        "daily, repeated hour",
        "hourly, skipped",
        "hourly, repeated",
        "weekly",
    ],
)
def test_slots_around_the_changes_of_the_clocks(cron: str, after: str, expected: list[str]) -> None:
    assert slots(Schedule(cron, BERLIN), after, len(expected)) == expected


@cache
def slots_of_a_year(cron: str) -> list[datetime]:
    return list(islice(slots_after(Schedule(cron, BERLIN), at("2026-01-01T00:00")), 420))


@given(st.integers(0, 400 * 24 * 60), st.sampled_from(["30 2 * * *", "0 2 * * *", "15 3 * * 0"]))
def test_a_daily_slot_comes_once_a_day_from_whatever_moment_it_is_counted(
    minutes: int, cron: str
) -> None:
    schedule, everything = Schedule(cron, BERLIN), slots_of_a_year(cron)
    moment = at("2026-01-01T00:00") + timedelta(minutes=minutes)

    found = list(islice(slots_after(schedule, moment), 3))

    assert found == [slot for slot in everything if slot > moment][:3]
    assert all(one < other for one, other in pairwise(everything))


#: Around which day of 2026 the clocks change there, forwards or back, by how much.
CHANGES = {
    "Australia/Lord_Howe": (datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)),
    "Antarctica/Troll": (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)),
    "America/Havana": (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
    "Africa/Casablanca": (datetime(2026, 2, 15, tzinfo=UTC), datetime(2026, 3, 22, tzinfo=UTC)),
}


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("cron", ["0 */6 * * *", "30 2 * * *", "15 0 * * *", "5 1-3 * * *"])
def test_slots_are_the_same_from_whatever_moment_they_are_counted(zone: str, cron: str) -> None:
    """On Lord Howe Island, where clocks change by half an hour, the first one behind was lost."""
    schedule = Schedule(cron, zone)
    for change in CHANGES[zone]:
        start, end = change - timedelta(days=2), change + timedelta(days=2)
        series = [*takewhile(lambda slot: slot < end, slots_after(schedule, start))]  # noqa: B023 - used at once
        assert series

        for slot, following in pairwise(series):
            half = slot + (following - slot) / 2
            counted = [next(slots_after(schedule, moment)) for moment in (slot, half)]
            assert counted == [following, following]


def test_a_slot_is_due_from_its_moment_until_its_deadline() -> None:
    schedule = Schedule("0 1 * * *", starting_deadline_seconds=3600)
    handled = at("2026-11-21T01:00")

    early = due(schedule, KEY, handled, at("2026-11-22T00:59"))
    in_time = due(schedule, KEY, handled, at("2026-11-22T01:00"))
    last = due(schedule, KEY, handled, at("2026-11-22T02:00"))
    late = due(schedule, KEY, handled, at("2026-11-22T02:01"))

    assert (early.slot, early.next_start) == (None, at("2026-11-22T01:00"))
    assert (in_time.slot, in_time.missed) == (at("2026-11-22T01:00"), 0)
    assert last.slot == at("2026-11-22T01:00")
    assert (late.slot, late.missed, late.passed) == (None, 1, at("2026-11-22T01:00"))


def test_after_a_pause_only_the_newest_slot_is_caught_up_with() -> None:
    schedule = Schedule("0 * * * *", starting_deadline_seconds=3600)

    found = due(schedule, KEY, at("2026-11-20T00:00"), at("2026-11-21T12:10"))

    assert (found.slot, found.missed) == (at("2026-11-21T12:00"), 35)


def test_a_very_long_pause_is_not_counted_slot_by_slot() -> None:
    schedule = Schedule("* * * * *", starting_deadline_seconds=60)

    found = due(schedule, KEY, at("2020-01-01T00:00"), at("2026-11-21T12:10"))

    assert found.slot == at("2026-11-21T12:10")
    assert found.missed == 999
    assert found.next_start == at("2026-11-21T12:11")


def test_what_was_seen_to_is_not_due_again() -> None:
    schedule = Schedule("0 1 * * *")

    found = due(schedule, KEY, at("2026-11-22T01:00"), at("2026-11-22T01:00:30"))

    assert (found.slot, found.missed, found.next_start) == (None, 0, at("2026-11-23T01:00"))


def test_jitter_moves_the_start_and_not_the_slot_and_is_always_the_same() -> None:
    schedule = Schedule("0 1 * * *", jitter_seconds=1800)
    jitter = jitter_of(schedule, KEY)
    handled = at("2026-11-21T01:00")

    before = due(schedule, KEY, handled, at("2026-11-22T01:00") + jitter - timedelta(seconds=1))
    after = due(schedule, KEY, handled, at("2026-11-22T01:00") + jitter)

    assert jitter == jitter_of(schedule, KEY)
    assert timedelta(0) < jitter <= timedelta(seconds=1800)
    assert (before.slot, before.next_start) == (None, at("2026-11-22T01:00") + jitter)
    assert after.slot == at("2026-11-22T01:00")


@given(st.text("abcdefgh", min_size=1, max_size=10), st.integers(0, 3600))
def test_jitter_stays_within_its_bound(name: str, bound: int) -> None:
    schedule = Schedule("0 1 * * *", jitter_seconds=bound)

    jitter = jitter_of(schedule, ObjectKey("team", name))

    assert timedelta(0) <= jitter <= timedelta(seconds=bound)


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("61 * * * *", "Etc/UTC", "schedule.cron '61 \\* \\* \\* \\*'"),
        ("0 0 30 2 *", "Etc/UTC", "schedule.cron"),
        ("0 1 * * *", "Mars/Olympus", "'Mars/Olympus' is no IANA time zone"),
        ("0 1 * * *", "", "is no IANA time zone"),
        ("0 1 * * *", "../etc/passwd", "is no IANA time zone"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_named(cron: str, zone: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said) as caught:
        due(Schedule(cron, zone), KEY, at("2026-11-21T01:00"), at("2026-11-22T01:00"))
    assert caught.value.reason == "InvalidSchedule"
