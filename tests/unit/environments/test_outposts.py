"""Disk accesses in another subscription, with a network there that is peered with the workers'."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.environments.conftest import SUBSCRIPTION, Appliance, disk_access_of
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.addresses import overlapping
from vmbackup_operator.environments.environment import Report
from vmbackup_operator.naming import environment_names
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.settings import OtherSubscription, Settings

ELSEWHERE = "66666666-7777-4888-8999-000000000000"
GROUP = f"/subscriptions/{ELSEWHERE}/resourceGroups/exports"
ACCESS = disk_access_of("northeurope", ELSEWHERE, "exports")
NORTH = environment_names("contoso", SUBSCRIPTION, "northeurope")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, other_subscriptions=(OtherSubscription(ELSEWHERE, "exports"),))


@pytest.fixture
async def across(appliance: Appliance) -> Appliance:
    """An appliance whose region is ready, with the group that it was given elsewhere."""
    appliance.arm.add("ResourceGroup", GROUP, {"location": "westeurope"})
    await appliance.ready("northeurope")
    appliance.arm.puts.clear()
    return appliance


async def ensure(appliance: Appliance) -> Report:
    appliance.later()
    return await appliance.regions.ensure_disk_access(SUBSCRIPTION, "northeurope", ACCESS)


def there(appliance: Appliance, part: str) -> list[dict[str, Any]]:
    return [body for key, body in appliance.arm.bodies.items() if part.lower() in key]


async def test_the_way_is_in_that_subscription_and_the_record_where_workers_ask(
    across: Appliance,
) -> None:
    report = await ensure(across)

    assert isinstance(report.outcome, Done)
    made = {(kind, identity.split("/")[2]) for kind, identity in across.arm.puts}
    assert made == {
        ("VirtualNetwork", ELSEWHERE),
        ("Peering", ELSEWHERE),
        ("Peering", SUBSCRIPTION),
        ("DiskAccess", ELSEWHERE),
        ("PrivateEndpoint", ELSEWHERE),
        ("PrivateDnsZoneGroup", ELSEWHERE),
    }
    (endpoint,) = there(across, f"{GROUP}/providers/Microsoft.Network/privateEndpoints/vmb-pe-")[:1]
    subnet = endpoint["properties"]["subnet"]["id"]
    assert subnet.lower().startswith(f"{GROUP}/providers/".lower())
    (record,) = there(across, f"{GROUP}/providers/Microsoft.Network/privateEndpoints/")[1:]
    assert NORTH.resource_group in str(record["properties"]["privateDnsZoneConfigs"])


async def test_looking_again_writes_nothing(across: Appliance) -> None:
    await ensure(across)
    across.arm.puts.clear()

    assert isinstance((await ensure(across)).outcome, Done)

    assert across.arm.puts == []


async def test_its_range_is_free_of_what_the_workers_reach_and_stays_the_same(
    across: Appliance,
) -> None:
    (workers,) = there(across, f"/virtualNetworks/{NORTH.virtual_network}")
    first = environment_names("contoso", ELSEWHERE, "northeurope")
    # The whole pool but its last range is in reach already.
    taken = ["10.213.0.0/17", "10.213.128.0/18", "10.213.192.0/19", "10.213.224.0/20"]
    space = {"remoteAddressSpace": {"addressPrefixes": taken}}
    workers["properties"]["virtualNetworkPeerings"] = [{"name": "other", "properties": space}]

    await ensure(across)
    (made,) = there(across, f"/virtualNetworks/{first.virtual_network}")[:1]
    chosen = made["properties"]["addressSpace"]["addressPrefixes"]
    own = workers["properties"]["addressSpace"]["addressPrefixes"]
    assert overlapping(chosen, [*taken, *own]) is None
    # Somebody adds a range of theirs, before ours.
    made["properties"]["addressSpace"]["addressPrefixes"] = ["192.168.0.0/24", *chosen]
    across.arm.puts.clear()

    assert isinstance((await ensure(across)).outcome, Done)
    assert across.arm.puts == []


async def test_a_group_that_is_not_there_is_named(appliance: Appliance) -> None:
    await appliance.ready("northeurope")

    report = await ensure(appliance)

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "ResourceGroupNotFound"
    assert GROUP in report.outcome.message
    assert there(appliance, ELSEWHERE) == []


async def test_an_endpoint_that_we_may_not_approve_waits_for_its_owner_by_name(
    across: Appliance,
) -> None:
    right = "Microsoft.Compute/diskAccesses/PrivateEndpointConnectionsApproval/action"
    refusal = PermanentError(f"no permission for {right}", reason="NotAuthorized")
    across.arm.refuse("'privateLinkServiceConnections'", "diskAccesses", error=refusal)
    across.arm.approval = "Pending"

    await ensure(across)
    report = await ensure(across)

    assert isinstance(report.outcome, Waiting)
    assert report.outcome.reason == "ApprovalPending"
    assert ACCESS in report.outcome.message


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "crossSubscriptionExport: Refuse"),
        ({"cross_subscription_export": "DiskAccess"}, ""),
        (
            {"cross_subscription_export": "DiskAccess", "private_network": False},
            "no private network",
        ),
    ],
    ids=["refused", "by disk accesses", "publicly"],
)
async def test_the_regions_description_says_whether_data_crosses(
    across: Appliance, spec: dict[str, Any], said: str
) -> None:
    for key, stored in list(across.objects.stored.items()):
        across.objects.stored[key] = replace(stored, spec=replace(stored.spec, **spec))

    why = await across.regions.exports_refused("NorthEurope")

    assert said in why
    assert bool(said) == bool(why)


async def test_a_region_that_nobody_described_yet_will_be_as_the_settings_say(
    appliance: Appliance,
) -> None:
    why = await appliance.regions.exports_refused("uksouth")

    assert "crossSubscriptionExport: Refuse" in why
    assert appliance.objects.stored == {}
