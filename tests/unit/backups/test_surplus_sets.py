"""Which snapshot sets a retention lets go, whatever sets there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.samples import SETTINGS
from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.backups.retaining.surplus import surplus_by
from vmbackup_operator.naming import ArmId, snapshot_id
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import SetSeen

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DISK = ArmId("/disk")


def set_of(number: int, hours_ago: int, fault: str | None = None) -> SetSeen:
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
    return SetSeen(run, (snapshot,), fault, alone=True)


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


def without(sets: Sequence[SetSeen], gone: Sequence[SetSeen]) -> list[SetSeen]:
    return [each for each in sets if each not in gone]


@given(some_sets(), rules)
def test_the_newest_whole_set_stays_and_nothing_at_fault_goes(
    sets: list[SetSeen], rule: Retention
) -> None:
    gone = surplus_by(sets, rule, None, NOW)

    whole = [each for each in sets if each.fault is None]
    assert whole[:1] == without(whole, gone)[:1]
    assert all(each.fault is None for each in gone)


@given(some_sets(), rules)
def test_what_stays_once_stays_when_it_is_judged_again(
    sets: list[SetSeen], rule: Retention
) -> None:
    kept = without(sets, surplus_by(sets, rule, None, NOW))

    assert surplus_by(kept, rule, None, NOW) == []


@given(some_sets(), rules, st.data())
def test_a_sessions_own_set_never_goes(
    sets: list[SetSeen], rule: Retention, data: st.DataObject
) -> None:
    own = data.draw(st.sampled_from(sets)).run_id if sets else None

    assert own not in {each.run_id for each in surplus_by(sets, rule, own, NOW)}


def test_as_many_stay_as_the_lines_say() -> None:
    sets = [set_of(number, number * 24) for number in range(10)]

    kept = without(
        sets, surplus_by(sets, Retention(last=2, daily=4, weekly=0, monthly=0, yearly=0), None, NOW)
    )
    assert kept == sets[:4]
