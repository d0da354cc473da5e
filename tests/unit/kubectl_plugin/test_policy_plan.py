"""What ``policy plan`` says of the slots ahead and of each VM."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.backed_up_team import NOW, SLOT, nightly, team, weekly
from vmbackup_core.errors import PermanentError
from vmbackup_operator.kubectl_plugin.plan import checked_count, plan_of, plan_text
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.model.backup_policy import BackupPolicyStatus, Occasion
from vmbackup_operator.policies.schedule import due, jitter_of

TEAM = team()


def test_the_first_slot_ahead_is_the_one_that_the_operator_starts_next() -> None:
    policy = nightly()
    schedule = policy.spec.schedule
    assert schedule is not None

    first, second = plan_of(policy, TEAM.sessions, NOW, 2).slots

    following = due(schedule, policy.metadata.key, SLOT, NOW).next_start
    assert first.start == following == first.slot + jitter_of(schedule, policy.metadata.key)
    assert second.slot - first.slot == timedelta(days=1)


def test_a_slot_whose_jitter_still_runs_is_ahead() -> None:
    policy = nightly()
    schedule = policy.spec.schedule
    assert schedule is not None
    tomorrow = SLOT + timedelta(days=1)
    just_before = tomorrow + jitter_of(schedule, policy.metadata.key) - timedelta(seconds=1)

    assert plan_of(policy, (), just_before, 1).slots[0].slot == tomorrow
    assert plan_of(policy, (), just_before + timedelta(seconds=1), 1).slots[0].slot > tomorrow


def test_each_vm_is_told_of_and_why() -> None:
    plan = plan_of(nightly(), TEAM.sessions, NOW, 1)

    assert [(each.name.rpartition("/")[2], each.what, each.why) for each in plan.machines] == [
        ("db-01", "waits", "until session nightly-4xk2ab-202611270030 has ended"),
        ("legacy-07", "backup", ""),
        ("web-01", "backup", ""),
        ("web-02", "waits", "until session nightly-ijmemm-202611270030 has ended"),
        ("legacy-09", "no backup", "DiskNotSupported: disk os of legacy-09 is ephemeral"),
    ]
    assert plan.not_named == 0


def test_vms_go_in_their_turns_and_beyond_the_room_later() -> None:
    policy = nightly()
    last = f"{TEAM.session('nightly-q6').spec.virtual_machine_id}"
    status = replace(policy.status, occasion=Occasion(slot=SLOT, last=last, ended=True))
    spec = replace(policy.spec, max_concurrent_sessions=1)

    plan = plan_of(replace(policy, status=status, spec=spec), (), NOW, 1)

    assert [each.name.rpartition("/")[2] for each in plan.machines] == [
        "web-01", "web-02", "db-01", "legacy-07", "legacy-09",
    ]  # fmt: skip
    assert plan.machines[0].why == ""
    assert "maxConcurrentSessions" in plan.machines[1].why


def test_vms_that_the_status_has_no_room_for_are_counted() -> None:
    policy = nightly()
    shown = policy.status.virtual_machines
    assert shown is not None
    status = replace(policy.status, virtual_machines=replace(shown, count=300))
    plan = plan_of(replace(policy, status=status), (), NOW, 1)

    assert plan.not_named == 296
    assert "and 296 VMs that the status does not name\n" in plan_text(plan, NOW, Terminal())


def test_a_suspended_policy_does_nothing_and_says_so() -> None:
    plan = plan_of(weekly(), (), NOW, 3)

    assert plan.slots == ()
    assert "suspended" in plan.notes[0]
    assert [each.what for each in plan.machines] == ["no backup"]


def test_a_policy_without_schedule_is_run_by_hand() -> None:
    policy = nightly()
    by_hand = replace(policy, spec=replace(policy.spec, schedule=None))

    assert "kubectl vmbackup run" in plan_of(by_hand, (), NOW, 3).notes[0]


def test_a_policy_that_nobody_has_looked_at_has_slots_and_no_vms() -> None:
    plan = plan_of(replace(nightly(), status=BackupPolicyStatus()), (), NOW, 2)

    assert len(plan.slots) == 2
    assert plan.machines == ()
    assert "has not looked at it" in plan.notes[0]


def test_what_is_under_way_has_its_limit() -> None:
    policy = nightly()
    occasion = Occasion(slot=SLOT, start_before=SLOT + timedelta(hours=1))
    status = replace(policy.status, occasion=occasion)

    (note,) = plan_of(replace(policy, status=status), (), NOW, 1).notes

    assert note == (
        "under way: slot 2026-11-27 00:30Z; what has no session by 2026-11-27 01:30Z is skipped"
    )


@pytest.mark.parametrize("slots", [0, -1, 101])
def test_slots_that_cannot_be_shown_are_refused(slots: int) -> None:
    with pytest.raises(PermanentError, match="from 1 to 100"):
        checked_count(slots)
