"""How a region comes up, and what it is made of."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests.unit.environments.conftest import (
    APPLIANCE_NETWORK,
    REPOSITORY,
    SUBSCRIPTION,
    Appliance,
    disk_access_of,
)
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.environments.bodies import text_at
from vmbackup_operator.model.region_environment import EnvironmentNetwork
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting

HOME = environment_names("contoso", SUBSCRIPTION, "westeurope")
NORTH = environment_names("contoso", SUBSCRIPTION, "northeurope")


def bodies_of(appliance: Appliance, part: str) -> dict[str, dict[str, Any]]:
    return {i: b for i, b in appliance.arm.bodies.items() if part.lower() in i}


async def test_a_region_comes_up_in_one_pass_where_azure_is_quick(appliance: Appliance) -> None:
    report = await appliance.ensure("westeurope")

    assert isinstance(report.outcome, Done)
    assert report.environment is not None
    assert report.environment.storage_account_id.endswith(HOME.storage_account)


async def test_a_second_pass_writes_nothing(appliance: Appliance) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    appliance.arm.puts.clear()

    await appliance.ready("northeurope", REPOSITORY)

    assert appliance.arm.puts == []


async def test_a_pass_asks_for_everything_whose_needs_are_there(appliance: Appliance) -> None:
    appliance.arm.slow = {"StorageAccount", "VirtualNetwork"}

    report = await appliance.ensure("westeurope")

    assert isinstance(report.outcome, Waiting)
    assert sorted(kind for kind, _ in appliance.arm.puts) == [
        "NetworkSecurityGroup", "PrivateDnsZone", "PrivateDnsZone", "ResourceGroup",
        "StorageAccount", "VirtualNetwork", "VirtualNetworkLink", "VirtualNetworkLink",
    ]  # fmt: skip


async def test_nothing_is_asked_for_twice_while_it_is_under_way(appliance: Appliance) -> None:
    appliance.arm.slow = {"StorageAccount", "PrivateEndpoint"}
    for _ in range(4):
        await appliance.ensure("westeurope")
        await appliance.ensure("westeurope")
        appliance.arm.finish()

    asked = [resource_id for _, resource_id in appliance.arm.puts]
    assert len(asked) == len(set(asked))


async def test_a_region_that_is_asked_for_with_and_without_accounts_comes_up_for_both(
    appliance: Appliance,
) -> None:
    await appliance.ready("westeurope", REPOSITORY)

    reports = await asyncio.gather(
        *(
            appliance.regions.ensure(SUBSCRIPTION, "westeurope", accounts)
            for accounts in ((), (REPOSITORY,))
        )
    )

    assert [type(report.outcome) for report in reports] == [Done, Done]


async def test_what_stands_is_looked_at_once_while_a_region_comes_up(appliance: Appliance) -> None:
    appliance.arm.slow = {"StorageAccount"}
    await appliance.ensure("westeurope")
    appliance.arm.finds.clear()

    appliance.clock.turn(2)
    await appliance.regions.ensure(SUBSCRIPTION, "westeurope")

    assert not any("privatednszones" in identity.lower() for identity in appliance.arm.finds)


async def test_a_ready_region_is_looked_at_anew_a_minute_later(appliance: Appliance) -> None:
    await appliance.ready("westeurope")
    (zone,) = [i for i in appliance.arm.bodies if i.endswith("/privatelink.queue.core.windows.net")]
    del appliance.arm.bodies[zone]

    await appliance.ready("westeurope")

    assert zone in appliance.arm.bodies


async def test_each_network_has_its_own_endpoint_to_every_account_its_machines_use(
    appliance: Appliance,
) -> None:
    await appliance.ready("northeurope", REPOSITORY)

    ways = {
        (
            identity.split("/")[4],
            text_at(connection, "properties", "privateLinkServiceId").split("/")[-1],
            group,
        )
        for identity, body in bodies_of(appliance, "/privateendpoints/").items()
        if "zonegroups" not in identity
        for connection in body["properties"]["privateLinkServiceConnections"]
        for group in connection["properties"]["groupIds"]
    }
    home, north = HOME.resource_group.lower(), NORTH.resource_group.lower()
    assert ways == {
        (home, HOME.storage_account, "blob"),
        (home, HOME.storage_account, "queue"),
        (home, NORTH.storage_account, "blob"),
        (home, "repository01", "blob"),
        (north, NORTH.storage_account, "blob"),
        (north, NORTH.storage_account, "queue"),
        (north, HOME.storage_account, "queue"),
        (north, "repository01", "blob"),
    }


async def test_every_endpoint_keeps_its_record_in_a_zone_of_its_own_environment(
    appliance: Appliance,
) -> None:
    await appliance.ready("northeurope", REPOSITORY)

    groups = bodies_of(appliance, "/privatednszonegroups/")
    assert len(groups) == 8
    for identity, body in groups.items():
        (config,) = body["properties"]["privateDnsZoneConfigs"]
        assert (
            text_at(config, "properties", "privateDnsZoneId").split("/")[4].lower()
            == identity.split("/")[4]
        )


async def test_only_the_home_zones_are_linked_to_the_appliance_network(
    appliance: Appliance,
) -> None:
    await appliance.ready("northeurope")

    linked = [
        identity.split("/")[4]
        for identity, body in bodies_of(appliance, "/virtualnetworklinks/").items()
        if text_at(body, "properties", "virtualNetwork", "id") == APPLIANCE_NETWORK
    ]
    assert linked == [HOME.resource_group.lower()] * 2


async def test_only_the_home_network_is_peered_in_both_directions(appliance: Appliance) -> None:
    await appliance.ready("northeurope")

    assert sorted(
        i.split("/")[4] for i in bodies_of(appliance, "/virtualnetworkpeerings/")
    ) == sorted([HOME.resource_group.lower(), "rg"])


async def test_all_that_can_carry_tags_says_whose_it_is(appliance: Appliance) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    untagged = (
        "virtualnetworkpeerings",
        "privatednszonegroups",
        "containers",
        "cluster",
        "repository01",
    )

    for identity, body in appliance.arm.bodies.items():
        if not any(part in identity for part in untagged):
            assert text_at(body, "tags", "vmbackup-appliance-id") == "contoso", identity


async def test_the_account_is_closed_to_everybody(appliance: Appliance) -> None:
    environment = await appliance.ready("westeurope")

    properties = appliance.arm.bodies[environment.storage_account_id.lower()]["properties"]
    assert {
        "publicNetworkAccess": "Disabled",
        "minimumTlsVersion": "TLS1_2",
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
    }.items() <= properties.items()


async def test_a_changed_account_is_put_right_and_keeps_what_is_not_ours(
    appliance: Appliance,
) -> None:
    environment = await appliance.ready("westeurope")
    body = appliance.arm.bodies[environment.storage_account_id.lower()]
    body["properties"]["publicNetworkAccess"] = "Enabled"
    body["sku"] = {"name": "Standard_ZRS"}
    body["tags"]["cost"] = "42"

    await appliance.ready("westeurope")

    body = appliance.arm.bodies[environment.storage_account_id.lower()]
    assert body["properties"]["publicNetworkAccess"] == "Disabled"
    assert body["sku"] == {"name": "Standard_ZRS"}
    assert body["tags"].items() > {"cost": "42", "vmbackup-appliance-id": "contoso"}.items()


async def test_the_home_network_overlaps_neither_the_appliance_nor_its_peers(
    appliance: Appliance,
) -> None:
    network = appliance.arm.bodies[APPLIANCE_NETWORK.lower()]
    network["properties"]["virtualNetworkPeerings"] = [
        {
            "name": "hub",
            "properties": {"remoteAddressSpace": {"addressPrefixes": ["10.213.0.0/17"]}},
        }
    ]

    environment = await appliance.ready("westeurope")

    home = appliance.arm.bodies[environment.virtual_network_id.lower()]
    (prefix,) = home["properties"]["addressSpace"]["addressPrefixes"]
    assert int(prefix.split(".")[2]) >= 128


async def test_addresses_once_chosen_stay_when_the_pool_changes(appliance: Appliance) -> None:
    environment = await appliance.ready("westeurope")
    before = appliance.arm.bodies[environment.virtual_network_id.lower()]
    network = appliance.arm.bodies[APPLIANCE_NETWORK.lower()]
    network["properties"]["addressSpace"]["addressPrefixes"].append("10.213.0.0/16")
    appliance.arm.puts.clear()

    await appliance.ready("westeurope")

    assert appliance.arm.puts == []
    assert appliance.arm.bodies[environment.virtual_network_id.lower()] == before


async def test_in_a_users_own_network_nothing_is_written_but_the_peering(
    appliance: Appliance,
) -> None:
    await appliance.regions.ensure_home_object()
    (key,) = appliance.objects.stored
    own = APPLIANCE_NETWORK.replace("cluster", "own")
    appliance.arm.add("VirtualNetwork", own, {"location": "westeurope"})
    wanted = EnvironmentNetwork(own, f"{own}/subnets/w", f"{own}/subnets/e")
    stored = appliance.objects.stored[key]
    spec = msgspec.structs.replace(stored.spec, network=wanted)
    appliance.objects.stored[key] = msgspec.structs.replace(stored, spec=spec)

    environment = await appliance.ready("westeurope")

    below = [i for _, i in appliance.arm.puts if i.lower().startswith(own.lower())]
    assert [identity.split("/")[-2] for identity in below] == ["virtualNetworkPeerings"]
    assert environment.worker_subnet_id == f"{own}/subnets/w"


async def test_a_pending_approval_is_waited_for_and_named(appliance: Appliance) -> None:
    right = "Microsoft.Storage/storageAccounts/PrivateEndpointConnectionsApproval/action"
    refusal = PermanentError(f"no permission for {right}", reason="NotAuthorized")
    appliance.arm.refuse("'privateLinkServiceConnections'", "repository01", error=refusal)
    appliance.arm.approval = "Pending"

    first = await appliance.ensure("westeurope", REPOSITORY)
    second = await appliance.ensure("westeurope", REPOSITORY)

    assert isinstance(first.outcome, Waiting)
    assert isinstance(second.outcome, Waiting)
    assert second.outcome.reason == "ApprovalPending"
    assert "repository01" in second.outcome.message


async def test_an_endpoint_approved_by_hand_is_as_good_as_any(appliance: Appliance) -> None:
    right = "Microsoft.Storage/storageAccounts/PrivateEndpointConnectionsApproval/action"
    refusal = PermanentError(f"no permission for {right}", reason="NotAuthorized")
    appliance.arm.refuse("'privateLinkServiceConnections'", "repository01", error=refusal)
    await appliance.ensure("westeurope", REPOSITORY)

    report = await appliance.ensure("westeurope", REPOSITORY)

    assert isinstance(report.outcome, Done)


async def test_a_rejected_endpoint_fails_with_a_reason(appliance: Appliance) -> None:
    await appliance.ready("westeurope", REPOSITORY)
    for identity, body in bodies_of(appliance, "/privateendpoints/").items():
        if "repository01" in str(body) and "zonegroups" not in identity:
            (connection,) = body["properties"]["privateLinkServiceConnections"]
            connection["properties"]["privateLinkServiceConnectionState"]["status"] = "Rejected"

    report = await appliance.ensure("westeurope", REPOSITORY)

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "EndpointRejected"
    assert "repository01" in report.outcome.message


async def test_a_repository_account_that_is_not_there_is_named(appliance: Appliance) -> None:
    report = await appliance.ensure("westeurope", ArmId(REPOSITORY + "x"))

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "StorageAccountNotFound"
    assert "repository01x" in report.outcome.message


async def test_one_refusal_does_not_keep_the_rest_from_being_built(appliance: Appliance) -> None:
    busy = TransientError("busy", retry_after_s=7)
    appliance.arm.refuse("privateDnsZones/privatelink.queue", error=busy)

    report = await appliance.ensure("westeurope")

    assert isinstance(report.outcome, Waiting)
    assert report.outcome.seconds == 7
    assert any("privatelink.blob" in i for _, i in appliance.arm.puts)


async def test_a_region_waits_for_the_home_region(appliance: Appliance) -> None:
    report = await appliance.ensure("northeurope")

    assert isinstance(report.outcome, Waiting)


async def test_equal_passes_at_once_are_one(appliance: Appliance) -> None:
    reports = await asyncio.gather(
        *(appliance.regions.ensure(SUBSCRIPTION, "westeurope", ()) for _ in range(5))
    )

    asked = [resource_id for _, resource_id in appliance.arm.puts]
    assert len(asked) == len(set(asked))
    assert all(isinstance(report.outcome, Done) for report in reports)


async def test_a_disk_access_stands_with_its_endpoint_and_record(appliance: Appliance) -> None:
    await appliance.ready("northeurope")
    appliance.arm.puts.clear()

    access = disk_access_of("northeurope")
    report = await appliance.regions.ensure_disk_access(SUBSCRIPTION, "northeurope", access)

    assert isinstance(report.outcome, Done)
    assert access.lower() in appliance.arm.bodies
    assert [kind for kind, _ in appliance.arm.puts] == [
        "DiskAccess",
        "PrivateEndpoint",
        "PrivateDnsZoneGroup",
    ]
    (group,) = [b for i, b in appliance.arm.bodies.items() if "-disks/privatednszonegroups/" in i]
    assert "privatelink.blob.core.windows.net" in str(group)
