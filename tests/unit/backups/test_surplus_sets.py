"""Which snapshot sets a retention lets go, whatever sets there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.samples import SETTINGS
from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.retention.ends import no_slots
from vmbackup_core.retention.in_force import LiveRule, Stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.backups.retaining.surplus import Keeping, stamp_behind, surplus_by
from vmbackup_operator.naming import ArmId, snapshot_id
from vmbackup_operator.policies.kept_points import Keeper
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DISK = ArmId("/disk")


def set_of(
    number: int, hours_ago: int, fault: str | None = None, stamp: Stamp | None = None
) -> SetSeen:
    """Return a set of one snapshot."""
    run = RunId(f"{number:032x}")
    identity = snapshot_id(SETTINGS.appliance.subscription_id, "appliance", run, None)
    snapshot = SnapshotSeen(
        id=identity,
        source_disk_id=DISK,
        source_unique_id=DiskUniqueId("d"),
        unique_id=SnapshotUniqueId("s"),
        size_bytes=1,
        created_at=NOW - timedelta(hours=hours_ago),
        tags={},
        ready=True,
        failure=None,
        network_access="DenyAll",
        public_access=False,
        disk_access_id=None,
        exported=False,
    )
    return SetSeen(run, (snapshot,), fault, alone=True, stamp=stamp)


@st.composite
def some_sets(draw: st.DrawFn) -> list[SetSeen]:
    """Draw sets, newest first, some of them at fault."""
    ages = sorted(draw(st.lists(st.integers(0, 2000), max_size=30)))
    faults = draw(st.lists(st.booleans(), min_size=len(ages), max_size=len(ages)))
    return [
        set_of(number, age, "altered" if fault else None)
        for number, (age, fault) in enumerate(zip(ages, faults, strict=True))
    ]


rules = st.builds(
    Retention,
    last=st.integers(0, 5),
    hourly=st.integers(0, 5),
    daily=st.integers(0, 5),
    weekly=st.integers(0, 3),
    within_days=st.integers(0, 10),
    min_successful=st.integers(1, 3),
)


def says(rule: Retention, since: datetime) -> Keeper:
    """Return what a policy says whose next set nobody knows of."""
    return Keeper(LiveRule(rule, since), no_slots)


def by(rule: Retention) -> Keeping:
    """Return how sets are judged while a policy has said *rule* for long."""
    return Keeping(says(rule, NOW - timedelta(days=99)), timedelta(days=7), NOW)


def without(sets: Sequence[SetSeen], gone: Sequence[SetSeen]) -> list[SetSeen]:
    return [each for each in sets if each not in gone]


@given(some_sets(), rules)
def test_the_newest_whole_set_stays_and_nothing_at_fault_goes(
    sets: list[SetSeen], rule: Retention
) -> None:
    gone = surplus_by(sets, by(rule), None)

    whole = [each for each in sets if each.fault is None]
    assert whole[:1] == without(whole, gone)[:1]
    assert all(each.fault is None for each in gone)


@given(some_sets(), rules)
def test_what_stays_once_stays_when_it_is_judged_again(
    sets: list[SetSeen], rule: Retention
) -> None:
    kept = without(sets, surplus_by(sets, by(rule), None))

    assert surplus_by(kept, by(rule), None) == []


@given(some_sets(), rules, st.data())
def test_a_sessions_own_set_never_goes(
    sets: list[SetSeen], rule: Retention, data: st.DataObject
) -> None:
    own = data.draw(st.sampled_from(sets)).run_id if sets else None

    assert own not in {each.run_id for each in surplus_by(sets, by(rule), own)}


def test_as_many_stay_as_the_lines_say() -> None:
    sets = [set_of(number, number * 24) for number in range(10)]

    kept = without(
        sets, surplus_by(sets, by(Retention(last=2, daily=4, weekly=0, monthly=0, yearly=0)), None)
    )
    assert kept == sets[:4]


MUCH = Retention(last=9, daily=0, weekly=0, monthly=0, yearly=0)
LITTLE = Retention(last=2, daily=0, weekly=0, monthly=0, yearly=0)
WEEK = timedelta(days=7)


def stamped(number: int) -> list[SetSeen]:
    """Return so many sets, taken hour by hour with the retention that keeps much."""
    return [set_of(each, each, stamp=Stamp(MUCH)) for each in range(number)]


def test_what_a_set_was_taken_with_counts_until_the_policy_has_said_less_for_the_delay() -> None:
    sets = stamped(5)

    young = Keeping(says(LITTLE, NOW - WEEK + timedelta(seconds=1)), WEEK, NOW)
    old = Keeping(says(LITTLE, NOW - WEEK), WEEK, NOW)
    assert surplus_by(sets, young, None) == []
    assert surplus_by(sets, old, None) == sets[2:]


def test_a_set_that_is_taken_behind_others_says_what_it_waits_for() -> None:
    sets = stamped(5)
    stamp = stamp_behind(sets, LITTLE, WEEK, NOW)
    newest = set_of(99, 0, stamp=stamp)

    made_again = Keeping(says(LITTLE, NOW - 2 * WEEK), WEEK, NOW)
    later = Keeping(None, WEEK, NOW + WEEK)
    assert surplus_by([newest, *sets], made_again, newest.run_id) == []
    assert surplus_by([newest, *sets], later, newest.run_id) == sets[1:]


def test_without_a_policy_what_the_newest_set_says_counts() -> None:
    sets = stamped(12)

    assert surplus_by(sets, Keeping(None, WEEK, NOW), None) == sets[9:]


def test_of_sets_that_say_nothing_none_goes_without_a_policy() -> None:
    sets = [set_of(number, number) for number in range(12)]

    assert surplus_by(sets, Keeping(None, WEEK, NOW), None) == []
