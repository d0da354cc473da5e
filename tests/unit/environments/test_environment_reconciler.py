"""What a RegionEnvironment's status says."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tests.unit.environments.conftest import OWNERSHIP, REPOSITORY, Appliance
from vmbackup_core.errors import RefusedForNow, TransientError
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.conditions import Condition, find_condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting


def set_approval(appliance: Appliance, state: str) -> None:
    """Have every connection to the repository be in *state*."""
    for body in appliance.arm.bodies.values():
        for connection in body["properties"].get("privateLinkServiceConnections", []):
            if "repository01" in connection["properties"]["privateLinkServiceId"]:
                connection["properties"]["privateLinkServiceConnectionState"]["status"] = state


KEY = ObjectKey("vmbackup", "westeurope")


def condition_of(appliance: Appliance, key: ObjectKey, name: str) -> Condition:
    found = find_condition(appliance.objects.stored[key].status.conditions, name)
    assert found is not None
    return found


async def test_the_operator_writes_the_object_of_a_region_that_nobody_described(
    appliance: Appliance,
) -> None:
    home = await appliance.regions.ensure_home_object()

    assert home.metadata.key == KEY
    assert home.spec.region == "westeurope"
    assert appliance.objects.stored[KEY].metadata.labels["velero.io/exclude-from-backup"] == "true"


async def test_a_ready_region_says_so_in_every_condition(appliance: Appliance) -> None:
    await appliance.regions.ensure_home_object()

    outcome = await appliance.reconcile(KEY)

    status = appliance.objects.stored[KEY].status
    assert isinstance(outcome, Done)
    for condition in (
        "Ready", "ResourceGroupReady", "NetworkReady", "PeeringReady", "StorageAccountReady",
        "PrivateEndpointsReady", "PrivateDnsReady",
    ):  # fmt: skip
        assert is_true(status.conditions, condition), condition
    assert condition_of(appliance, KEY, "Reconciling").status == "False"
    assert status.storage_account_id is not None
    assert {resource.kind for resource in status.resources} >= {"StorageAccount", "PrivateEndpoint"}


async def test_looking_again_writes_neither_to_azure_nor_to_kubernetes(
    appliance: Appliance,
) -> None:
    await appliance.regions.ensure_home_object()
    await appliance.reconcile(KEY)
    appliance.arm.puts.clear()
    appliance.objects.objects.writes = 0

    await appliance.reconcile(KEY)

    assert appliance.arm.puts == []
    assert appliance.objects.objects.writes == 0


async def test_a_region_under_way_is_reconciling_and_says_what_is_missing(
    appliance: Appliance,
) -> None:
    appliance.arm.slow = {"StorageAccount"}
    await appliance.regions.ensure_home_object()

    outcome = await appliance.reconcile(KEY)

    conditions = appliance.objects.stored[KEY].status.conditions
    assert isinstance(outcome, Waiting)
    assert is_true(conditions, "Reconciling")
    assert is_true(conditions, "ResourceGroupReady")
    assert condition_of(appliance, KEY, "StorageAccountReady").status == "False"


async def test_a_second_object_for_a_region_is_stalled(appliance: Appliance) -> None:
    first = await appliance.regions.ensure_home_object()
    younger = msgspec.structs.replace(
        first.metadata, name="again", creation_timestamp=datetime(2026, 12, 1, tzinfo=UTC)
    )
    second = msgspec.structs.replace(first, metadata=younger)
    appliance.objects.stored[younger.key] = second

    outcome = await appliance.reconcile(younger.key)

    stalled = condition_of(appliance, younger.key, "Stalled")
    assert isinstance(outcome, Waiting)  # until somebody takes one of them away
    assert (stalled.status, stalled.reason) == ("True", "AlreadyDescribed")
    assert appliance.arm.puts == []


async def test_an_object_outside_of_the_operators_namespace_is_not_honoured(
    appliance: Appliance,
) -> None:
    first = await appliance.regions.ensure_home_object()
    metadata = msgspec.structs.replace(first.metadata, namespace="tenant")
    appliance.objects.stored[metadata.key] = msgspec.structs.replace(first, metadata=metadata)

    await appliance.reconcile(metadata.key)

    stalled = condition_of(appliance, metadata.key, "Stalled")
    assert stalled.reason == "NotHonoured"


async def test_another_appliances_object_is_left_alone(appliance: Appliance) -> None:
    home = await appliance.regions.ensure_home_object()
    status = msgspec.structs.replace(home.status, appliance_id="fabrikam")
    appliance.objects.stored[KEY] = msgspec.structs.replace(home, status=status)

    await appliance.reconcile(KEY)

    assert appliance.objects.objects.writes == 0
    assert appliance.arm.puts == []


async def test_the_object_is_woken_while_sessions_wait_for_its_region(appliance: Appliance) -> None:
    appliance.arm.slow = {"StorageAccount"}

    await appliance.ensure("westeurope")

    assert appliance.woken == [KEY]


async def test_a_repositorys_account_that_is_not_there_is_not_the_regions_fault(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope", REPOSITORY)

    report = await appliance.ensure("westeurope", ArmId(REPOSITORY + "x"))
    await appliance.reconcile(KEY)

    assert isinstance(report.outcome, Failed)
    assert condition_of(appliance, KEY, "Ready").status == "True"


async def test_a_region_that_was_put_right_says_so_by_itself(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    surplus = REPOSITORY.replace("repository01", "surplus")
    tags: Body = {**OWNERSHIP.sealed_tag(ArmId(surplus))}
    appliance.arm.add("StorageAccount", surplus, {"location": "westeurope", "tags": tags})
    stalled = await appliance.reconcile(KEY)
    assert condition_of(appliance, KEY, "Stalled").reason == "OwnershipUnclear"
    assert "surplus" in condition_of(appliance, KEY, "Stalled").message
    del appliance.arm.bodies[surplus.lower()]

    assert isinstance(stalled, Waiting)  # it is looked at again, whoever asks or not
    await appliance.reconcile(KEY)

    assert condition_of(appliance, KEY, "Ready").status == "True"


async def test_a_status_is_the_same_after_a_restart(appliance: Appliance) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    await appliance.reconcile(KEY)
    before = appliance.objects.stored[KEY].status
    assert any("repository01" in resource.id for resource in before.resources)

    appliance.restart()
    await appliance.reconcile(KEY)

    assert appliance.objects.stored[KEY].status == before


async def test_an_account_that_went_is_no_longer_listed(appliance: Appliance) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    await appliance.reconcile(KEY)
    del appliance.arm.bodies[REPOSITORY.lower()]

    await appliance.reconcile(KEY)

    status = appliance.objects.stored[KEY].status
    assert is_true(status.conditions, "Ready")
    assert status.repository_accounts == ()


async def test_an_approval_that_is_not_given_ends_in_a_failure_that_says_what_to_do(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    set_approval(appliance, "Pending")
    await appliance.reconcile(KEY)
    assert condition_of(appliance, KEY, "Ready").reason == "ApprovalPending"
    assert condition_of(appliance, KEY, "Stalled").status == "False"
    appliance.restart()

    appliance.later(3 * 86400)
    outcome = await appliance.reconcile(KEY)

    stalled = condition_of(appliance, KEY, "Stalled")
    assert (stalled.status, stalled.reason) == ("True", "ApprovalNotGiven")
    assert "repository01" in stalled.message
    assert "since 2026-" in stalled.message
    assert isinstance(outcome, Waiting)

    set_approval(appliance, "Approved")
    await appliance.reconcile(KEY)

    status = appliance.objects.stored[KEY].status
    assert is_true(status.conditions, "Ready")
    assert not [resource for resource in status.resources if resource.waiting_for]


async def test_a_moment_ahead_of_now_is_no_beginning_of_a_wait(appliance: Appliance) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    set_approval(appliance, "Pending")
    appliance.later(10 * 86400)
    await appliance.reconcile(KEY)
    appliance.later(-10 * 86400 - 600)
    appliance.restart()

    await appliance.reconcile(KEY)
    appliance.later(86400)
    await appliance.reconcile(KEY)

    assert condition_of(appliance, KEY, "Ready").reason == "ApprovalPending"


async def test_what_azure_never_finishes_is_said_after_hours(appliance: Appliance) -> None:
    appliance.arm.slow = {"StorageAccount"}
    await appliance.regions.ensure_home_object()
    await appliance.reconcile(KEY)
    assert condition_of(appliance, KEY, "Stalled").status == "False"

    appliance.later(7200)
    await appliance.reconcile(KEY)

    stalled = condition_of(appliance, KEY, "Stalled")
    assert (stalled.status, stalled.reason) == ("True", "RegionNotFinished")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (TransientError("Azure was not reached"), "AzureUnavailable"),
        (RefusedForNow("403", reason="NotAuthorized", retry_after_s=30), "NotAuthorized"),
    ],
    ids=["out of reach", "a right that spreads"],
)
async def test_azures_bad_minute_is_said_and_waited_for(
    appliance: Appliance, trouble: TransientError, reason: str
) -> None:
    await appliance.ready("westeurope")
    await appliance.reconcile(KEY)
    appliance.arm.unreachable = trouble

    outcome = await appliance.reconcile(KEY)

    assert isinstance(outcome, Waiting)
    assert condition_of(appliance, KEY, "Reconciling").reason == reason
    assert appliance.objects.stored[KEY].status.resources
