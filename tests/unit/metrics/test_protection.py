"""What a policy's VMs would lose, and which of them are late: by its own schedule."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.metrics.told import DAY, LAST_SLOT, NOON, backup, ended, policy
from vmbackup_operator.metrics.protection import Protection, protection
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    Blackout,
    BlackoutWindow,
    MachineFound,
    MachineObjective,
    ObjectiveShown,
    Schedule,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.ended import Bytes

MINUTE = timedelta(minutes=1)


def found(of: BackupPolicy, *sessions: BackupSession, now: datetime = NOON) -> Protection:
    protected = protection(of, ended(*sessions), now)
    assert protected is not None
    return protected


def test_a_policy_loses_what_its_worst_machine_would() -> None:
    protected = found(
        policy("web-01", "web-02"),
        backup("web-01", LAST_SLOT + MINUTE),
        backup("web-02", LAST_SLOT - DAY),
        backup("web-01", LAST_SLOT - 2 * DAY),
    )

    assert protected.rpo == NOON - LAST_SLOT + DAY
    assert protected.late == 1
    assert (protected.machines, protected.unprotected, protected.without_point) == (2, 1, 0)
    assert protected.moved == Bytes(read=1200, stored=74, changed=800)


@pytest.mark.parametrize(
    ("now", "late"),
    [
        (LAST_SLOT + DAY - MINUTE, 0),
        (LAST_SLOT + DAY + timedelta(minutes=59), 0),
        (LAST_SLOT + DAY + timedelta(minutes=60), 1),
    ],
    ids=["before the next slot", "within its deadline", "behind its deadline"],
)
def test_a_machine_is_late_when_a_slots_starting_deadline_has_passed(
    now: datetime, late: int
) -> None:
    assert found(policy("web-01"), backup("web-01", LAST_SLOT + MINUTE), now=now).late == late


def test_a_clock_of_azures_that_goes_after_ours_makes_no_machine_late() -> None:
    session = backup("web-01", LAST_SLOT - MINUTE)
    slotted = replace(session, spec=replace(session.spec, slot=LAST_SLOT))

    assert found(policy("web-01"), slotted).late == 0


def test_a_failed_session_makes_no_point_and_a_skipped_one_hides_no_failure() -> None:
    protected = found(
        policy("web-01"),
        backup("web-01", LAST_SLOT - DAY),
        backup("web-01", LAST_SLOT, "Failed", "WorkerLost"),
        backup("web-01", LAST_SLOT + DAY / 4, "Skipped", "Skipped"),
    )

    assert protected.rpo == NOON - LAST_SLOT + DAY
    assert (protected.late, protected.failing) == (1, 1)


def test_a_success_after_a_failure_ends_the_failing() -> None:
    failed = backup("web-01", LAST_SLOT - DAY, "Failed", "WorkerLost")

    assert found(policy("web-01"), failed, backup("web-01", LAST_SLOT)).failing == 0


def test_a_machine_that_left_the_policy_is_not_told_of() -> None:
    protected = found(
        policy("web-01"), backup("web-01", LAST_SLOT), backup("gone", LAST_SLOT - 9 * DAY)
    )

    assert (protected.machines, protected.late) == (1, 0)


def test_machines_that_the_status_has_no_room_for_count_where_they_have_sessions() -> None:
    protected = found(
        policy("a-01", "b-01", count=4),
        backup("a-01", LAST_SLOT),
        backup("b-01", LAST_SLOT),
        backup("c-01", LAST_SLOT - 3 * DAY),
        backup("c-01", LAST_SLOT - 2 * DAY),
        backup("a-02", LAST_SLOT - 5 * DAY),
    )

    assert (protected.machines, protected.without_point) == (4, 1)
    assert protected.rpo == NOON - LAST_SLOT + 2 * DAY
    assert protected.late == 1


def test_a_machine_without_a_point_counts_from_when_the_policy_has_known_it() -> None:
    looked = policy("new", "old")
    shown = looked.status.virtual_machines
    assert shown is not None
    since = NOON - timedelta(hours=3)
    shown = replace(shown, found=(MachineFound("prod/new", since),))
    looked = replace(looked, status=replace(looked.status, virtual_machines=shown))

    alone = found(looked, backup("old", LAST_SLOT))
    both = found(looked)

    assert (alone.without_point, alone.late, alone.rpo) == (1, 0, NOON - LAST_SLOT)
    assert (both.without_point, both.late, both.rpo) == (2, 1, 9 * DAY)


def test_of_many_that_were_found_at_once_each_counts_from_then() -> None:
    names = [f"new-{number:02}" for number in range(12)]
    looked = policy(*names)
    shown = looked.status.virtual_machines
    assert shown is not None
    since = NOON - timedelta(hours=3)
    shown = replace(shown, found=tuple(MachineFound(f"prod/{name}", since) for name in names[:10]))
    looked = replace(looked, status=replace(looked.status, virtual_machines=shown))

    assert found(looked).rpo == timedelta(hours=3)
    assert found(looked).late == 0


@pytest.mark.parametrize(
    "spec",
    [
        {"suspend": True},
        {"schedule": None},
        {"schedule": Schedule("0 2 30 2 *")},
        {"schedule": Schedule("0 2 * * *", "Nowhere/Else")},
        {"schedule": Schedule("never")},
    ],
    ids=["suspended", "without a schedule", "a day that never comes", "no zone", "no expression"],
)
def test_nobody_is_late_where_nothing_is_promised(spec: dict[str, Any]) -> None:
    protected = found(policy("web-01", **spec), backup("web-01", LAST_SLOT - 3 * DAY))

    assert protected.late == 0
    assert protected.rpo == NOON - LAST_SLOT + 3 * DAY


def test_no_slot_before_the_schedule_was_written_makes_anybody_late() -> None:
    looked = policy("web-01")
    rule = looked.status.rule
    assert rule is not None
    edited = replace(looked.status, rule=replace(rule, since=NOON - timedelta(hours=1)))

    late = found(replace(looked, status=edited), backup("web-01", LAST_SLOT - 3 * DAY)).late

    assert late == 0


def test_a_policy_that_nobody_has_looked_at_tells_nothing() -> None:
    looked = policy("web-01")

    assert protection(replace(looked, status=replace(looked.status, virtual_machines=None)),
                      ended(backup("web-01", LAST_SLOT)), NOON) is None  # fmt: skip


@pytest.mark.parametrize(("rpo", "late"), [("11h", 0), ("10h", 1), ("599m", 1)])
@pytest.mark.parametrize("spec", [{}, {"suspend": True}, {"schedule": None}],
                         ids=["as it is", "suspended", "without a schedule"])  # fmt: skip
def test_a_policy_that_says_what_may_be_lost_is_judged_by_that(
    rpo: str, late: int, spec: dict[str, Any]
) -> None:
    promised = policy("web-01", rpo=rpo, **spec)

    assert found(promised, backup("web-01", LAST_SLOT)).late == late
    assert found(promised, backup("web-01", NOON - MINUTE)).late == 0


def test_a_point_whose_session_has_gone_counts_where_the_status_remembers_it() -> None:
    promised = policy("web-01", rpo="26h")
    machine = MachineObjective("prod/web-01", "Met", LAST_SLOT + DAY, LAST_SLOT)
    status = replace(promised.status, rpo=ObjectiveShown(0, (machine,)))

    protected = found(replace(promised, status=status))

    assert (protected.late, protected.rpo) == (0, NOON - LAST_SLOT)


def test_a_slot_in_a_blackout_window_is_late_when_its_deadline_behind_it_has_passed() -> None:
    windows = Blackout((BlackoutWindow("01:00", "06:00"),))
    held = policy("web-01", schedule=Schedule("0 2 * * *", blackout=windows))
    before = backup("web-01", LAST_SLOT - DAY + 5 * 60 * MINUTE)

    lates = [found(held, before, now=LAST_SLOT + hours * 60 * MINUTE).late for hours in (4, 5)]

    assert lates == [0, 1]
