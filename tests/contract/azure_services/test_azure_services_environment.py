"""A region from nothing to ready, against the simulated Azure."""

from __future__ import annotations

import msgspec
import pytest

from tests.contract.azure_services.cloud import (
    RING,
    Adapters,
    Cloud,
    adapters,
    settings_for,
    until,
    writes,
)
from tests.contract.ports.region_facts import BundleFacts, RegionFacts, RegionPlace
from tests.contract.ports.resource_facts import ResourceFacts, ResourcePlace
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import PermanentError
from vmbackup_operator.naming import APPLIANCE_TAG, ArmId
from vmbackup_operator.sessions.seen import Account

ACCOUNTS = (seed.REPOSITORY_ACCOUNT_ID,)
STORAGE_VERSION = "2023-05-01"
NETWORK_VERSION = "2024-01-01"
ZONE_VERSION = "2024-06-01"
ACCOUNT_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-accounts"


def test_nothing_was_asked_for_twice_while_the_regions_came_up(cloud: Cloud) -> None:
    asked = [
        entry["path"].lower()
        for entry in cloud.built
        if entry["service"] == "arm" and entry["method"] == "PUT" and entry["status"] < 300
    ]

    assert len(asked) == len(set(asked))


def test_azure_refused_nothing_for_good_while_the_regions_came_up(cloud: Cloud) -> None:
    refused = [
        (entry["method"], entry["path"], entry["status"])
        for entry in cloud.built
        if entry["service"] == "arm" and entry["status"] >= 400 and entry["status"] != 404
    ]

    assert refused == []


def test_what_can_carry_tags_carried_ours_in_the_creating_put(cloud: Cloud) -> None:
    children = ("/virtualnetworkpeerings/", "/privatednszonegroups/", "/containers/")
    for entry in cloud.built:
        path = entry["path"].lower()
        written = entry["service"] == "arm" and entry["method"] == "PUT"
        if written and not any(child in path for child in children):
            assert entry["request"]["tags"][APPLIANCE_TAG] == "contract", path


async def test_a_second_look_at_a_ready_region_only_reads(cloud: Cloud, ours: Adapters) -> None:
    before = cloud.azure.last_entry()

    home = await ours.ready(seed.HOME_REGION, ACCOUNTS)
    region = await ours.ready(seed.VM_REGION, ACCOUNTS)

    assert writes(cloud.azure.journal(before)) == []
    assert (home, region) == (cloud.home, cloud.region)


async def test_the_operator_reaches_the_accounts_through_the_home_network(
    cloud: Cloud, ours: Adapters
) -> None:
    for account in (cloud.home.account, cloud.region.account):
        names = [c.name async for c in ours.data_plane.blobs(account).list_containers()]
        assert names == ["bundle", "messages"]


def make_account(cloud: Cloud, name: str, region: str, tags: dict[str, str]) -> ArmId:
    """Return an account that somebody made, open to the public."""
    identity = ArmId(f"{ACCOUNT_GROUP}/providers/Microsoft.Storage/storageAccounts/{name}")
    cloud.azure.arm(ACCOUNT_GROUP, "2022-09-01", {"location": "uksouth"})
    cloud.azure.arm(
        identity,
        STORAGE_VERSION,
        {
            "location": region,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "tags": tags,
            "properties": {},
        },
    )
    return identity


async def test_a_plain_tag_gives_nobodys_account_away(cloud: Cloud, ours: Adapters) -> None:
    theirs = make_account(cloud, "vmbplaintag", seed.HOME_REGION, {APPLIANCE_TAG: "contract"})
    before = cloud.azure.last_entry()

    assert await ours.ready(seed.HOME_REGION, ACCOUNTS) == cloud.home

    assert not [line for line in writes(cloud.azure.journal(before)) if theirs in line]


async def test_several_sealed_accounts_are_named_and_waited_for(
    cloud: Cloud, ours: Adapters
) -> None:
    for name in ("vmbseveralone", "vmbseveraltwo"):
        identity = f"{ACCOUNT_GROUP}/providers/Microsoft.Storage/storageAccounts/{name}"
        sealed = RING.ownership("contract").sealed_tag(ArmId(identity))
        make_account(cloud, name, "uksouth", sealed)

    report = await ours.environments.ensure(SUBSCRIPTION, "uksouth")

    unclear = [line.outcome for line in report.lines if line.waiting_for == "OwnershipUnclear"]
    assert len(unclear) == 1
    assert "vmbseveralone, vmbseveraltwo" in str(unclear[0])


async def test_names_of_other_accounts_go_on_resolving_in_the_clusters_network(
    cloud: Cloud, ours: Adapters
) -> None:
    others = make_account(cloud, "othersopenaccount", seed.HOME_REGION, {})
    network = f"{ACCOUNT_GROUP}/providers/Microsoft.Network/virtualNetworks/others"
    space = {"addressSpace": {"addressPrefixes": ["10.99.0.0/24"]}}
    subnets = [{"name": "endpoints", "properties": {"addressPrefix": "10.99.0.0/24"}}]
    cloud.azure.arm(
        network,
        NETWORK_VERSION,
        {"location": seed.HOME_REGION, "properties": {**space, "subnets": subnets}},
    )
    connection = {"privateLinkServiceId": others, "groupIds": ["blob"]}
    cloud.azure.arm(
        f"{ACCOUNT_GROUP}/providers/Microsoft.Network/privateEndpoints/others",
        NETWORK_VERSION,
        {
            "location": seed.HOME_REGION,
            "properties": {
                "subnet": {"id": f"{network}/subnets/endpoints"},
                "privateLinkServiceConnections": [{"name": "blob", "properties": connection}],
            },
        },
    )

    account = Account(
        others,
        "https://othersopenaccount.blob.core.windows.net",
        "https://othersopenaccount.queue.core.windows.net",
    )
    assert [name async for name in ours.data_plane.blobs(account).list_containers()] == []


async def test_a_network_that_asks_such_a_zone_already_is_named(cloud: Cloud) -> None:
    network = f"{ACCOUNT_GROUP}/providers/Microsoft.Network/virtualNetworks/hubbed"
    zone = (
        f"{ACCOUNT_GROUP}/providers/Microsoft.Network/privateDnsZones"
        "/privatelink.blob.core.windows.net"
    )
    cloud.azure.arm(ACCOUNT_GROUP, "2022-09-01", {"location": "uksouth"})
    space = {"addressSpace": {"addressPrefixes": ["10.98.0.0/24"]}}
    cloud.azure.arm(network, NETWORK_VERSION, {"location": "uksouth", "properties": space})
    cloud.azure.arm(zone, ZONE_VERSION, {"location": "global"})
    cloud.azure.arm(
        f"{zone}/virtualNetworkLinks/hub",
        ZONE_VERSION,
        {"location": "global", "properties": {"virtualNetwork": {"id": network}}},
    )
    settings = settings_for("hubbed", cloud.bundle)
    appliance = msgspec.structs.replace(settings.appliance, virtual_network_id=network)

    async with adapters(msgspec.structs.replace(settings, appliance=appliance)) as ours:
        with pytest.raises(PermanentError, match="hubbed already asks another zone") as refused:
            await ours.ready(seed.HOME_REGION)

    assert refused.value.reason == "ZoneAlreadyAsked"


@pytest.fixture
def place(ours: Adapters) -> RegionPlace:
    missing = seed.REPOSITORY_ACCOUNT_ID.replace("contosobackups01", "nosuchaccount")
    return RegionPlace(
        ours.regions,
        ours.bundles,
        SUBSCRIPTION,
        seed.VM_REGION,
        ArmId(seed.REPOSITORY_ACCOUNT_ID),
        ArmId(missing),
        until,
    )


class TestAzureRegions(RegionFacts):
    pass


class TestAzureBundles(BundleFacts):
    pass


class TestAzureResourceManager(ResourceFacts):
    @pytest.fixture
    def place(self, ours: Adapters) -> ResourcePlace:
        return ResourcePlace(ours.manager, SUBSCRIPTION, "uksouth", until)
