"""A region from nothing to ready, against the simulated Azure."""

from __future__ import annotations

import pytest

from tests.contract.azure_services.cloud import Adapters, Cloud, adapters, settings_for, writes
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import PermanentError
from vmbackup_operator.naming import APPLIANCE_TAG

ACCOUNTS = (seed.REPOSITORY_ACCOUNT_ID,)
STORAGE_VERSION = "2023-05-01"
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


async def test_several_tagged_accounts_are_named(cloud: Cloud) -> None:
    cloud.azure.arm(ACCOUNT_GROUP, "2022-09-01", {"location": "uksouth"})
    for name in ("vmbseveralone", "vmbseveraltwo"):
        cloud.azure.arm(
            f"{ACCOUNT_GROUP}/providers/Microsoft.Storage/storageAccounts/{name}",
            STORAGE_VERSION,
            {
                "location": "uksouth",
                "kind": "StorageV2",
                "sku": {"name": "Standard_LRS"},
                "tags": {APPLIANCE_TAG: "contract"},
                "properties": {},
            },
        )

    async with adapters(settings_for("contract", cloud.bundle)) as ours:
        with pytest.raises(PermanentError, match="vmbseveralone, vmbseveraltwo") as refused:
            await ours.regions.ensure(SUBSCRIPTION, "uksouth", ())

    assert refused.value.reason == "SeveralStorageAccounts"


async def test_a_repository_account_that_does_not_exist_is_named(
    cloud: Cloud, ours: Adapters
) -> None:
    missing = seed.REPOSITORY_ACCOUNT_ID.replace("contosobackups01", "nosuchaccount")

    with pytest.raises(PermanentError, match="nosuchaccount") as refused:
        await ours.ready(seed.HOME_REGION, (missing,))

    assert refused.value.reason == "StorageAccountNotFound"
    assert cloud.home.name == "westeurope"
