"""Blackout windows: over midnight, on weekdays, where the clocks change; and the slots in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import Blackout, BlackoutWindow, Schedule, Weekday
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.policies.blackouts import Closed
from vmbackup_operator.policies.keeping import Slots
from vmbackup_operator.policies.schedule import (
    due,
    jitter_of,
    last_overdue,
    slots_after,
    starts_before,
)

KEY = ObjectKey("team", "nightly")
BERLIN = "Europe/Berlin"
WEEK: tuple[Weekday, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
OFFICE = BlackoutWindow("08:00", "18:00", WEEK)
NIGHT = BlackoutWindow("22:00", "05:00", ("Friday",))
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
#: Moments near which clocks change in Berlin (both ways), Havana and Beirut (at midnight), Lord
#: Howe (by half an hour); and one where they do not.
CHANGES = (
    (BERLIN, "2026-03-28T22:00"),
    (BERLIN, "2026-10-24T22:00"),
    ("America/Havana", "2026-03-08T03:00"),
    ("America/Havana", "2026-11-01T03:00"),
    ("Asia/Beirut", "2026-03-28T20:00"),
    ("Asia/Beirut", "2026-10-24T19:00"),
    ("Australia/Lord_Howe", "2026-04-04T13:00"),
    ("Australia/Lord_Howe", "2026-10-03T13:00"),
    ("Etc/UTC", "2026-07-04T20:00"),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def closed(*windows: BlackoutWindow, zone: str = BERLIN) -> Closed:
    return Closed(Blackout(windows), ZoneInfo(zone))


def hhmm(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


clocks = st.integers(0, 24 * 12 - 1).map(lambda fives: hhmm(fives * 5))
days = st.lists(st.sampled_from([*WEEK, "Saturday", "Sunday"]), unique=True, max_size=4).map(tuple)
windows = st.builds(BlackoutWindow, clocks, clocks | st.just("24:00"), days).filter(
    lambda window: window.start != window.end
)


@pytest.mark.parametrize(
    ("window", "moment", "opens"),
    [
        (OFFICE, "2026-11-26T06:59", "2026-11-26T06:59"),
        (OFFICE, "2026-11-26T07:00", "2026-11-26T17:00"),
        (OFFICE, "2026-11-26T17:00", "2026-11-26T17:00"),
        (OFFICE, "2026-11-28T12:00", "2026-11-28T12:00"),
        (NIGHT, "2026-11-27T22:30", "2026-11-28T04:00"),
        (NIGHT, "2026-11-28T03:59", "2026-11-28T04:00"),
        (NIGHT, "2026-11-28T22:30", "2026-11-28T22:30"),
        (BlackoutWindow("00:00", "24:00", ("Sunday",)), "2026-11-29T12:00", "2026-11-29T23:00"),
        (BlackoutWindow("01:00", "02:30"), "2026-03-29T00:30", "2026-03-29T01:00"),
        (BlackoutWindow("02:15", "04:00"), "2026-03-29T01:00", "2026-03-29T02:00"),
        (BlackoutWindow("02:30", "04:00"), "2026-10-25T00:45", "2026-10-25T01:00"),
        (BlackoutWindow("01:00", "02:30"), "2026-10-25T00:45", "2026-10-25T00:45"),
        (BlackoutWindow("01:00", "02:30"), "2026-10-25T01:15", "2026-10-25T01:30"),
    ],
    ids=[
        "before it",
        "at its start",
        "at its end",
        "on another day",
        "over midnight, before it",
        "over midnight, behind it",
        "the night of another day",
        "a whole day",
        "an end in the skipped hour",
        "a start in the skipped hour",
        "a start in the repeated hour",
        "between the repeated hours",
        "in the repeated hour again",
    ],
)
def test_a_window_ends_when_the_clock_on_the_wall_says_so(
    window: BlackoutWindow, moment: str, opens: str
) -> None:
    assert closed(window).opening(at(moment)) == at(opens)


@given(st.lists(windows, min_size=1, max_size=3), st.sampled_from(CHANGES), st.integers(0, 600))
def test_windows_open_and_close_at_the_first_minute_that_a_clock_shows_so(
    wanted: list[BlackoutWindow], change: tuple[str, str], minutes: int
) -> None:
    zone, near = change
    times, moment = closed(*wanted, zone=zone), at(near) + minutes * MINUTE
    walk = [moment + number * MINUTE for number in range(1, 2 * 24 * 60)]
    was = times.holds(moment)
    turns = next((each for each in walk if times.holds(each) != was), None)

    try:
        found = times.opening(moment) if was else times.closing(moment)
    except PermanentError:
        found = None
    assert found == turns or (turns is None and (found is None or found > walk[-1]))


@given(windows, st.sampled_from(CHANGES), st.integers(0, 24 * 60))
def test_a_window_holds_what_a_clock_shows_between_its_ends_on_its_days(
    window: BlackoutWindow, change: tuple[str, str], minutes: int
) -> None:
    zone, near = change
    moment = at(near) + minutes * MINUTE
    shown = moment.astimezone(ZoneInfo(zone))
    clock = f"{shown:%H:%M}"

    def on(day: datetime) -> bool:
        return not window.days or f"{day:%A}" in window.days

    over_midnight = window.end < window.start
    evening = on(shown) and window.start <= clock and (over_midnight or clock < window.end)
    morning = over_midnight and on(shown.replace(tzinfo=None) - DAY) and clock < window.end
    assert closed(window, zone=zone).holds(moment) == (evening or morning)


def test_windows_without_an_end_are_refused() -> None:
    halves = (BlackoutWindow("00:00", "13:00"), BlackoutWindow("13:00", "24:00"))

    with pytest.raises(PermanentError, match="leave no moment") as caught:
        closed(*halves).opening(at("2026-11-26T12:00"))
    assert caught.value.reason == "InvalidSchedule"


def schedule(
    cron: str = "0 3 * * *", *wanted: BlackoutWindow, jitter: int = 0, longest: int = 86400
) -> Schedule:
    made = wanted or (BlackoutWindow("02:00", "06:00"),)
    return Schedule(cron, "Etc/UTC", jitter, blackout=Blackout(made, longest))


def test_a_slot_in_a_window_begins_at_its_end_and_has_its_deadline_from_there() -> None:
    nightly, handled = schedule(), at("2026-11-21T03:00")

    before = due(nightly, KEY, handled, at("2026-11-22T02:59"))
    within = due(nightly, KEY, handled, at("2026-11-22T03:00"))
    behind = due(nightly, KEY, handled, at("2026-11-22T07:00"))
    late = due(nightly, KEY, handled, at("2026-11-22T07:01"))

    assert (before.slot, before.put_off) == (None, None)
    assert (before.next_start, before.look_again) == (
        at("2026-11-22T06:00"),
        at("2026-11-22T03:00"),
    )
    assert (within.slot, within.put_off) == (None, at("2026-11-22T03:00"))
    assert (within.next_start, within.passed) == (at("2026-11-22T06:00"), None)
    assert (behind.slot, behind.missed, behind.blacked_out) == (at("2026-11-22T03:00"), 0, 0)
    assert (late.slot, late.missed, late.passed) == (None, 1, at("2026-11-22T03:00"))
    assert starts_before(nightly, KEY, at("2026-11-22T03:00")) == at("2026-11-22T07:00")


def test_of_several_slots_in_a_window_the_newest_begins_and_the_others_are_not_missed() -> None:
    hourly = schedule("30 * * * *")

    found = due(hourly, KEY, at("2026-11-22T01:30"), at("2026-11-22T06:00"))

    assert (found.slot, found.blacked_out, found.missed) == (at("2026-11-22T05:30"), 3, 0)


@pytest.mark.parametrize(
    ("longest", "begins"), [(3 * 3600, True), (3 * 3600 - 1, False), (0, False)]
)
def test_a_slot_that_is_put_off_too_long_is_skipped(longest: int, *, begins: bool) -> None:
    nightly, handled = schedule(longest=longest), at("2026-11-21T03:00")

    within = due(nightly, KEY, handled, at("2026-11-22T03:00"))
    behind = due(nightly, KEY, handled, at("2026-11-22T06:00"))

    assert within.blacked_out == (not begins)
    assert (within.next_start is not None) == begins
    assert within.is_shut == (not begins)
    assert (behind.slot is not None) == begins
    assert behind.missed == 0


def test_the_next_start_shown_is_that_of_a_slot_that_is_not_skipped() -> None:
    weekdays = BlackoutWindow("00:00", "24:00", WEEK)

    found = due(schedule("0 3 * * *", weekdays, longest=0), KEY, at("2026-11-22T03:00"),
                at("2026-11-22T04:00"))  # fmt: skip

    assert (found.next_start, found.is_shut) == (at("2026-11-28T03:00"), False)


def test_jitter_spreads_what_is_put_off_and_leads_into_no_window() -> None:
    spread = schedule(jitter=1800)
    jitter = jitter_of(spread, KEY)
    into = schedule("55 1 * * *", jitter=3600)

    found = due(spread, KEY, at("2026-11-21T03:00"), at("2026-11-22T03:30"))
    moved = due(into, KEY, at("2026-11-21T01:55"), at("2026-11-22T01:00"))

    assert found.next_start == at("2026-11-22T06:00") + jitter
    assert jitter_of(into, KEY) > timedelta(minutes=5)
    assert moved.next_start == at("2026-11-22T06:00")


def test_a_very_long_pause_ends_in_a_window() -> None:
    minutely = Schedule("* * * * *", blackout=Blackout((BlackoutWindow("12:00", "13:00"),)))

    found = due(minutely, KEY, at("2020-01-01T00:00"), at("2026-11-21T12:10"))

    assert (found.slot, found.put_off) == (at("2026-11-21T11:59"), at("2026-11-21T12:10"))
    assert found.next_start == at("2026-11-21T13:00")


@given(
    st.lists(windows, min_size=1, max_size=2),
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "15 */3 * * 1-5"]),
    st.sampled_from(CHANGES),
    st.sampled_from([0, 900]),
    st.sampled_from([0, 7200, 86400]),
)
def test_no_slot_begins_in_a_window_none_twice_and_each_is_accounted_for(
    wanted: list[BlackoutWindow], cron: str, change: tuple[str, str], jitter: int, longest: int
) -> None:
    zone, near = change
    made = Schedule(cron, zone, jitter, blackout=Blackout(tuple(wanted), longest))
    times, begun, nothing = Closed(Blackout(tuple(wanted)), ZoneInfo(zone)), [], 0
    handled = first = now = at(near)
    try:
        while now < first + 3 * DAY:
            found = due(made, KEY, handled, now)
            nothing += found.missed + found.blacked_out
            handled = found.passed or handled
            if found.slot is not None:
                begun.append((found.slot, now))
            if found.look_again is None:
                break
            assert found.look_again > now
            now = found.look_again
    except PermanentError:
        return

    unlimited = Schedule(cron, zone)
    passed = sum(1 for each in islice(slots_after(unlimited, first), 250) if each <= handled)
    assert not any(times.holds(moment) for _, moment in begun)
    assert all(one < other for (one, _), (other, _) in pairwise(begun))
    assert len(begun) + nothing == passed
    assert all(moment - slot <= timedelta(seconds=longest + jitter) for slot, moment in begun)


def test_what_is_kept_is_foreseen_from_when_slots_really_begin() -> None:
    skipped = schedule(longest=0)
    put_off = schedule()

    found = [next(Slots(each)(at("2026-11-22T04:00"))) for each in (put_off, skipped)]

    assert found == [at("2026-11-22T06:00"), at("2026-11-23T04:00")]


def test_a_slot_is_overdue_when_its_deadline_behind_the_window_has_passed() -> None:
    nightly, skipped = schedule(), schedule(longest=0)

    found = [last_overdue(nightly, KEY, at(f"2026-11-22T{clock}")) for clock in ("06:59", "07:00")]

    assert found == [at("2026-11-21T03:00"), at("2026-11-22T03:00")]
    assert last_overdue(skipped, KEY, at("2026-11-22T07:00")) is None
