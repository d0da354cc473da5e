"""Why points are kept and until when, by the policies that there are."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.unit.retention.retentions import NOON
from tests.worlds.memory_policies import policy
from tests.worlds.samples import VM
from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import Stamp, next_stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import BackupPolicy, StandingRetention
from vmbackup_operator.model.recovery_point import Kept
from vmbackup_operator.model.retention import Retention as Said
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.kept_points import (
    GOES,
    Keepers,
    PointFacts,
    keeper_of_backups,
    kept_points,
)

GROUP = ("team", "nightly", VM.lower())
WEEK = timedelta(days=7)
LONG, SHORT = Retention(3, 0, 0, 0, 0), Retention(1, 0, 0, 0, 0)
STAMP = Stamp(LONG)


def nightly(said: Said, since: datetime = NOON - 99 * WEEK) -> BackupPolicy:
    """Backs up each day at one o'clock, and has said so since then."""
    made = policy(ArmId(VM))
    status = replace(made.status, retention=StandingRetention(said, since))
    return replace(made, spec=replace(made.spec, retention=said), status=status)


def points(*ages: int, stamp: Stamp = STAMP, hurt: int | None = None) -> list[PointFacts]:
    """Return points of one o'clock so many days ago; that of *hurt* has lost blocks."""
    one = NOON.replace(hour=1)
    return [
        PointFacts(RunId(f"{age:032x}"), one - timedelta(days=age), GROUP, stamp, age == hurt)
        for age in ages
    ]


def why(facts: list[PointFacts], made_by: BackupPolicy | None = None) -> dict[int, Kept]:
    named = {} if made_by is None else {GROUP[:2]: keeper_of_backups(made_by, NOON)}
    found = kept_points(facts, Keepers(named, WEEK, NOON))
    return {int(run, 16): kept for run, kept in found.items()}


def in_days(days: int) -> datetime:
    return NOON.replace(hour=1) + timedelta(days=days)


def test_each_is_kept_until_the_slot_that_pushes_it_out() -> None:
    assert why(points(0, 1, 2, 3), nightly(Said(last=3))) == {
        0: Kept("last 3, minSuccessful 1", in_days(3)),
        1: Kept("last 3", in_days(2)),
        2: Kept("last 3", in_days(1)),
        3: Kept(GOES),
    }


def test_what_only_a_longer_retention_keeps_is_kept_until_its_wait_is_over() -> None:
    policies = nightly(Said(last=1), since=NOON - timedelta(days=5))

    found = why(points(0, 1, 2), policies)

    until = NOON + timedelta(days=2)
    assert found[1].because == f"last 3 (until {until:%Y-%m-%d %H:%MZ})"
    assert found[1].until == min(until, in_days(2))
    assert found[2].until == in_days(1)


def test_without_its_policy_a_point_is_kept_by_what_is_written_on_the_newest() -> None:
    """Its own retention counts points of which none comes any more."""
    stamp = next_stamp(SHORT, Stamp(LONG), WEEK, NOON)

    found = why(points(0, 1, stamp=stamp))

    waits = f"last 3 (until {NOON + WEEK:%Y-%m-%d %H:%MZ})"
    assert found[0] == Kept(f"last 1, minSuccessful 1, {waits}")
    assert found[1] == Kept(waits, NOON + WEEK)


def test_while_the_newest_is_damaged_the_last_good_one_has_another_reason() -> None:
    found = why(points(0, 1, 2, hurt=0), nightly(Said(last=1)))

    assert found[0].because == "last 1"
    assert found[1].because == "minSuccessful 1"
    assert found[2].because == GOES


def test_a_damaged_one_pushes_older_ones_out_of_all_lines_but_that_of_good_ones() -> None:
    counted, good = (
        why(points(0, 1, 2, hurt=0), nightly(Said(last=last, min_successful=least)))[1]
        for last, least in ((2, 1), (1, 2))
    )

    assert counted == Kept("last 2, minSuccessful 1", in_days(1))
    assert good == Kept("minSuccessful 2", in_days(2))


@pytest.mark.parametrize("rests", ["suspended", "unscheduled"])
def test_where_no_newer_one_is_to_come_only_an_age_ends(rests: str) -> None:
    made = nightly(Said(last=1, within_days=9))
    change = {"suspend": True} if rests == "suspended" else {"schedule": None}
    made = replace(made, spec=replace(made.spec, **change))

    found = why(points(0, 1), made)

    assert found[0].until is None
    assert found[1] == Kept("withinDays 9", in_days(8))


def test_groups_are_judged_apart() -> None:
    other = PointFacts(RunId("f" * 32), NOON, ("team", "weekly", VM.lower()), Stamp(SHORT))

    found = why([*points(0), other], nightly(Said(last=1)))

    assert found[0].because == "last 1, minSuccessful 1"
    assert found[int("f" * 32, 16)] == Kept("last 1, minSuccessful 1")
