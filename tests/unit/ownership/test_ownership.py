"""What proves that a resource of Azure's is the appliance's own."""

from __future__ import annotations

import pytest

from vmbackup_operator.naming import APPLIANCE_TAG, ArmId
from vmbackup_operator.ownership import OWNER_TAG, Ownership
from vmbackup_operator.sessions.keys import read_key_ring

ACCOUNT = ArmId(
    "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
    "/providers/Microsoft.Storage/storageAccounts/mine"
)


def ownership(active: str = "2026", appliance_id: str = "contoso", **keys: int) -> Ownership:
    held = {name.lstrip("_"): bytes([value]) * 32 for name, value in keys.items()}
    held = held or {"2026": b"k" * 32}
    ring = read_key_ring({**held, "active": active.encode()}, "keys")
    return ring.ownership(appliance_id)


def test_a_sealed_tag_proves_whose_the_resource_is_and_says_the_same_each_time() -> None:
    ours = ownership()

    assert ours.owns(ACCOUNT, ours.sealed_tag(ACCOUNT))
    assert ours.sealed_tag(ACCOUNT) == ours.sealed_tag(ArmId(ACCOUNT.upper()))


def test_a_plain_tag_proves_nothing() -> None:
    assert not ownership().owns(ACCOUNT, {APPLIANCE_TAG: "contoso"})


@pytest.mark.parametrize(
    "foreign",
    [ownership(_2026=7), ownership(appliance_id="fabrikam")],
    ids=["another key of the same id", "another appliance with the same key"],
)
def test_what_others_sealed_proves_nothing(foreign: Ownership) -> None:
    assert not ownership().owns(ACCOUNT, foreign.sealed_tag(ACCOUNT))


def test_a_sealed_tag_copied_to_another_resource_proves_nothing() -> None:
    ours = ownership()

    assert "does not verify" in ours.doubt(ArmId(f"{ACCOUNT}2"), ours.sealed_tag(ACCOUNT))


@pytest.mark.parametrize(
    "text", ["", "1", "1 2026", "2 2026 x", "1 2026 x", "1  ", "x" * 256, "1 2026 é"]
)
def test_an_altered_tag_proves_nothing(text: str) -> None:
    assert ownership().doubt(ACCOUNT, {OWNER_TAG: text})


def test_a_tag_of_a_key_that_was_rotated_out_of_use_still_proves() -> None:
    before = ownership("old", _old=1)
    after = ownership("new", _old=1, _new=2)

    assert after.owns(ACCOUNT, before.sealed_tag(ACCOUNT))
    assert after.sealed_tag(ACCOUNT) != before.sealed_tag(ACCOUNT)
    assert "old" in ownership("new", _new=2).doubt(ACCOUNT, before.sealed_tag(ACCOUNT))


def test_a_name_in_another_case_is_the_same_tag() -> None:
    ours = ownership()
    tags = {name.upper(): value for name, value in ours.sealed_tag(ACCOUNT).items()}

    assert ours.owns(ACCOUNT, tags)


def test_printing_it_shows_no_key() -> None:
    assert "kkkk" not in repr(ownership())
