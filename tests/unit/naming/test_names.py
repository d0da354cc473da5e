"""Names and identities: the same whenever computed, different where they must be, and legal."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import LaunchNonce, RunId
from vmbackup_operator import naming
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId

POLICY = ObjectKey("team", "nightly")
VM = naming.arm_id("sub", "prod", "Microsoft.Compute/virtualMachines", "Web-01")
SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
RUN = naming.run_id_of_slot("appliance", POLICY, VM, SLOT)

kubernetes_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


def test_a_run_id_is_known_from_what_was_asked_for_alone() -> None:
    """Written down: after an upgrade the same slot must not be another run."""
    assert RUN == "c52529090ed74ee4a961a1f28e871677"


def test_a_run_id_does_not_depend_on_case_or_zone() -> None:
    later = SLOT.astimezone(timezone(timedelta(hours=2)))

    assert naming.run_id_of_slot("appliance", POLICY, ArmId(VM.upper()), later) == RUN


@pytest.mark.parametrize(
    "other",
    [
        naming.run_id_of_slot("another", POLICY, VM, SLOT),
        naming.run_id_of_slot("appliance", ObjectKey("team2", "nightly"), VM, SLOT),
        naming.run_id_of_slot("appliance", ObjectKey("team", "weekly"), VM, SLOT),
        naming.run_id_of_slot("appliance", POLICY, ArmId(f"{VM}2"), SLOT),
        naming.run_id_of_slot("appliance", POLICY, VM, SLOT + timedelta(minutes=1)),
        naming.run_id_of_trigger("appliance", POLICY, VM, "now", SLOT),
    ],
    ids=["appliance", "namespace", "policy", "vm", "slot", "trigger"],
)
def test_anything_else_asked_for_is_another_run(other: RunId) -> None:
    assert other != RUN


def test_a_token_used_again_is_another_run_under_another_name() -> None:
    moments = (
        SLOT,
        SLOT.astimezone(timezone(timedelta(hours=2))),
        SLOT + timedelta(microseconds=1),
    )

    runs = [naming.run_id_of_trigger("appliance", POLICY, VM, "now", seen) for seen in moments]
    names = [naming.session_name_of_trigger("nightly", VM, "now", seen) for seen in moments]

    for first, same, other in (runs, names):
        assert first == same != other


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_two_lists_of_parts_run_into_each_other(one: list[str], other: list[str]) -> None:
    assert (naming.digest(*one) == naming.digest(*other)) == (one == other)


def test_a_users_session_is_called_by_its_uid() -> None:
    uid = "2F1C7A90-5B1E-4d0c-9a57-0f5f3f0d7c11"

    assert naming.run_id_of_uid(uid) == "2f1c7a905b1e4d0c9a570f5f3f0d7c11"
    assert re.fullmatch("[0-9a-f]{32}", naming.run_id_of_uid("not-a-uuid"))


@given(kubernetes_names, st.text("abc-1", min_size=1, max_size=80), st.datetimes())
def test_session_names_are_names_and_label_values(policy: str, vm: str, moment: datetime) -> None:
    vm_id = naming.arm_id("sub", "prod", "Microsoft.Compute/virtualMachines", vm)
    slot = moment.replace(tzinfo=UTC)
    for name in (
        naming.session_name_of_slot(policy, vm_id, slot),
        naming.session_name_of_trigger(policy, vm_id, vm, slot),
    ):
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)


def test_policies_that_agree_in_their_first_characters_have_different_sessions() -> None:
    one, other = "a" * 40 + "-one", "a" * 40 + "-two"

    assert naming.session_name_of_slot(one, VM, SLOT) != naming.session_name_of_slot(
        other, VM, SLOT
    )


def test_names_in_azure_are_legal_there() -> None:
    worker, launch = naming.worker_id(RUN, 1_000), LaunchNonce("f" * 32)
    names = naming.environment_names("appliance", "sub", "westeurope")

    assert naming.snapshot_name(RUN, None) == f"vmb-{RUN[:20]}-os"
    assert naming.snapshot_name(RUN, 63) == f"vmb-{RUN[:20]}-63"
    assert re.fullmatch("[a-z0-9](-?[a-z0-9]){2,62}", naming.jobs_queue(worker, launch))
    assert re.fullmatch("[a-z0-9](-?[a-z0-9]){2,62}", naming.events_queue(worker, launch))
    assert re.fullmatch("[a-z0-9]{24}", names.storage_account)
    assert len(naming.worker_vm_name(worker)) <= 64
    assert len(names.resource_group) <= 90
    assert names.disk_access(3).endswith("-3")


def test_environments_are_told_apart_by_appliance_subscription_and_region() -> None:
    named = {
        naming.environment_names(*parts).storage_account
        for parts in [("a", "s", "r"), ("b", "s", "r"), ("a", "t", "r"), ("a", "s", "q")]
    }

    assert len(named) == 4
    assert naming.environment_names("a", "S", "R") == naming.environment_names("a", "s", "r")


@pytest.mark.parametrize(
    ("vm_name", "expected"),
    [
        ("Web_01.prod", "web-01-prod-202611220100-c52529"),
        ("---", "vm-202611220100-c52529"),
        ("x" * 90, "x" * 36 + "-202611220100-c52529"),
    ],
)
def test_recovery_points_are_called_after_vm_and_moment(vm_name: str, expected: str) -> None:
    assert naming.recovery_point_name(vm_name, SLOT, RUN) == expected


SUBSCRIPTION = "/subscriptions/aaaaaaaa-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        (f"{SUBSCRIPTION.upper()}/RESOURCEGROUPS/G", SUBSCRIPTION, True),
        (f"{SUBSCRIPTION}/resourceGroups/g", f"{SUBSCRIPTION}/resourcegroups/G/", True),
        (f"{SUBSCRIPTION}/resourceGroups/g2", f"{SUBSCRIPTION}/resourceGroups/g", False),
        (SUBSCRIPTION, f"{SUBSCRIPTION}/resourceGroups/g", False),
    ],
)
def test_what_lies_within_what(inner: str, outer: str, within: bool) -> None:  # noqa: FBT001 - a table
    assert naming.lies_within(inner, outer) is within


def test_letters_that_only_look_like_a_capital_are_no_other_case_of_it() -> None:
    kelvin = f"{SUBSCRIPTION}/resourceGroups/bac\u212aup"

    assert not naming.same_id(kelvin, f"{SUBSCRIPTION}/resourceGroups/backup")
    assert naming.same_id(
        f"{SUBSCRIPTION}/resourceGroups/BACKUP/", f"{SUBSCRIPTION}/resourceGroups/backup"
    )


def test_an_accounts_further_names_are_others_and_stay_the_same() -> None:
    names = naming.environment_names("a", "s", "r")

    assert len(set(names.storage_accounts)) == len(names.storage_accounts) > 1
    assert names.storage_accounts == naming.environment_names("a", "S", "R").storage_accounts
    assert all(len(name) == 24 for name in names.storage_accounts)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("{0}", True),
        ("{0}x", False),
        ("{0}²", False),
        ("vmb-da-other-0", False),
        ("VMB-DA-{1}-7", True),
    ],
)
def test_a_disk_access_is_known_by_its_computed_name(name: str, is_one: bool) -> None:  # noqa: FBT001 - a table
    names = naming.environment_names("a", "s", "r")

    assert names.is_disk_access(name.format(names.disk_access(0), names.key.upper())) is is_one


def test_parts_of_an_arm_id_are_read_and_a_text_that_is_none_is_named() -> None:
    assert naming.subscription_of(VM) == "sub"
    assert naming.resource_group_of(VM) == "prod"
    assert naming.name_of(VM) == "Web-01"
    with pytest.raises(PermanentError, match="/nowhere is no ARM id"):
        naming.subscription_of(ArmId("/nowhere"))
