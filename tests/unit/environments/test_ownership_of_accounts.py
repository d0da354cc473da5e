"""Which storage account is a region's own, and what is never written to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.environments.conftest import OWNERSHIP, REPOSITORY, SUBSCRIPTION, Appliance
from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import APPLIANCE_TAG, ArmId, arm_id, environment_names
from vmbackup_operator.ownership import OWNER_TAG, Ownership
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting

HOME = environment_names("contoso", SUBSCRIPTION, "westeurope")
KEY = ObjectKey("vmbackup", "westeurope")


def account_id(name: str, group: str = "rg") -> ArmId:
    return arm_id(SUBSCRIPTION, group, "Microsoft.Storage/storageAccounts", name)


COMPUTED = account_id(HOME.storage_account, HOME.resource_group)


def add_account(appliance: Appliance, identity: ArmId, tags: dict[str, str]) -> dict[str, Any]:
    """Put an account there that is open to the public, as others have theirs."""
    properties: dict[str, Any] = {"publicNetworkAccess": "Enabled"}
    body: dict[str, Any] = {"location": "West Europe", "tags": tags, "properties": properties}
    appliance.arm.add("StorageAccount", identity, body)
    return appliance.arm.bodies[identity.lower()]


def writes_to(appliance: Appliance, identity: ArmId) -> list[str]:
    return [written for _, written in appliance.arm.puts if written.lower() == identity.lower()]


async def test_a_plain_tag_makes_nobodys_account_ours(appliance: Appliance) -> None:
    theirs = [account_id(name) for name in ("theirs1", "theirs2")]
    for identity in theirs:
        add_account(appliance, identity, {APPLIANCE_TAG: "contoso"})

    environment = await appliance.ready("westeurope")

    assert environment.storage_account_id == COMPUTED
    assert [writes_to(appliance, identity) for identity in theirs] == [[], []]


async def test_an_account_of_another_name_is_found_by_its_sealed_tag(appliance: Appliance) -> None:
    mine = account_id("mine")
    add_account(appliance, mine, OWNERSHIP.sealed_tag(mine))

    environment = await appliance.ready("westeurope")

    assert environment.storage_account_id == mine


@pytest.mark.parametrize(
    "tags",
    [
        OWNERSHIP.sealed_tag(account_id("another")),
        Ownership("contoso", "2026", {"2026": b"x" * 32}).sealed_tag(account_id("mine")),
        Ownership("fabrikam", "2026", OWNERSHIP.keys).sealed_tag(account_id("mine")),
    ],
    ids=["copied from another", "another key", "another appliance"],
)
async def test_a_tag_that_does_not_verify_makes_nothing_ours(
    appliance: Appliance, tags: dict[str, str]
) -> None:
    mine = account_id("mine")
    add_account(appliance, mine, tags)

    environment = await appliance.ready("westeurope")

    assert environment.storage_account_id == COMPUTED
    assert writes_to(appliance, mine) == []


@pytest.mark.parametrize("tags", [{}, {APPLIANCE_TAG: "contoso"}, {OWNER_TAG: "1 2026 x"}])
async def test_an_account_of_the_computed_name_that_is_not_sealed_is_named_and_not_touched(
    appliance: Appliance, tags: dict[str, str]
) -> None:
    body = add_account(appliance, COMPUTED, tags)

    report = await appliance.ensure()

    assert isinstance(report.outcome, Waiting)
    assert report.outcome.reason == "OwnershipUnclear"
    assert report.outcome.seconds >= 30
    assert COMPUTED in report.outcome.message
    assert writes_to(appliance, COMPUTED) == []
    assert body["properties"]["publicNetworkAccess"] == "Enabled"


async def test_several_sealed_accounts_are_named_and_none_is_touched(appliance: Appliance) -> None:
    for name in ("one", "two"):
        add_account(appliance, account_id(name), OWNERSHIP.sealed_tag(account_id(name)))

    report = await appliance.ensure()

    assert isinstance(report.outcome, Waiting)
    assert "one, two" in report.outcome.message
    assert not [kind for kind, _ in appliance.arm.puts if kind == "StorageAccount"]


async def test_an_account_that_was_moved_is_named_instead_of_another_being_made(
    appliance: Appliance,
) -> None:
    moved = account_id(HOME.storage_account, "elsewhere")
    add_account(appliance, moved, OWNERSHIP.sealed_tag(COMPUTED))

    report = await appliance.ensure()

    assert isinstance(report.outcome, Waiting)
    assert (report.outcome.reason, moved in report.outcome.message) == ("OwnershipUnclear", True)
    assert not [kind for kind, _ in appliance.arm.puts if kind == "StorageAccount"]


async def test_unclear_ownership_is_written_once_and_waits_with_a_pause(
    appliance: Appliance,
) -> None:
    add_account(appliance, COMPUTED, {})
    await appliance.regions.ensure_home_object()
    for _ in range(300):
        await appliance.regions.ensure(SUBSCRIPTION, "westeurope", (REPOSITORY,))
        await appliance.reconciler.reconcile(KEY)
        appliance.clock.turn(1)

    assert appliance.objects.objects.writes == 1
    stalled = find_condition(appliance.objects.stored[KEY].status.conditions, "Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", "OwnershipUnclear")
    assert appliance.arm.lists <= 6


async def test_unclear_ownership_does_not_hold_sessions_for_ever(appliance: Appliance) -> None:
    add_account(appliance, COMPUTED, {})
    await appliance.regions.ensure_home_object()
    await appliance.reconcile(KEY)
    appliance.restart()

    appliance.later(3600)
    report = await appliance.ensure()

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "OwnershipUnclear"


async def test_a_name_that_is_taken_in_the_world_leads_to_the_next_one(
    appliance: Appliance,
) -> None:
    taken = PermanentError("already taken", reason="StorageAccountAlreadyTaken")
    appliance.arm.refuse(f"/{HOME.storage_accounts[0]} ", error=taken)
    first = await appliance.ensure()
    assert isinstance(first.outcome, Waiting)

    report = await appliance.ensure()

    assert isinstance(report.outcome, Done)
    assert report.environment is not None
    assert report.environment.storage_account_id.endswith(HOME.storage_accounts[1])

    appliance.restart()
    appliance.arm.puts.clear()
    again = await appliance.ready("westeurope")

    assert again.storage_account_id == report.environment.storage_account_id
    assert appliance.arm.puts == []


async def test_a_name_that_somebody_in_the_subscription_uses_leads_to_the_next_one(
    appliance: Appliance,
) -> None:
    theirs = account_id(HOME.storage_account, "theirs")
    add_account(appliance, theirs, {})

    environment = await appliance.ready("westeurope")

    assert environment.storage_account_id.endswith(HOME.storage_accounts[1])
    assert writes_to(appliance, theirs) == []


async def test_when_every_name_is_taken_it_is_said(appliance: Appliance) -> None:
    for name in HOME.storage_accounts:
        add_account(appliance, account_id(name, "theirs"), {})

    report = await appliance.ensure()

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "StorageAccountNamesTaken"


async def test_a_pass_seals_anew_what_an_older_key_sealed(appliance: Appliance) -> None:
    environment = await appliance.ready("westeurope")
    keys = {**OWNERSHIP.keys, "2027": b"n" * 32}
    appliance.ownership = Ownership("contoso", "2027", keys)
    appliance.restart()
    appliance.arm.puts.clear()

    await appliance.ready("westeurope")
    await appliance.ready("westeurope")

    assert [kind for kind, _ in appliance.arm.puts] == ["StorageAccount"]
    tags = appliance.arm.bodies[environment.storage_account_id.lower()]["tags"]
    assert tags[OWNER_TAG].startswith("1 2027 ")


async def test_a_home_account_that_is_unclear_gets_no_endpoint_from_other_regions(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope")
    appliance.arm.bodies[COMPUTED.lower()]["tags"] = {}
    appliance.arm.puts.clear()

    report = await appliance.ensure("northeurope")

    assert isinstance(report.outcome, Waiting)
    assert report.outcome.reason == "OwnershipUnclear"
    assert not [i for _, i in appliance.arm.puts if i.endswith("-queue") and HOME.key in i]
