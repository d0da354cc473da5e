"""What ordinary clients read around a backup: subscriptions, providers, images, lists."""

from __future__ import annotations

import uuid

import pytest

from azure_simulator.resources import Body
from tests.unit.simulator_arm.conftest import SUBSCRIPTION, Azure

SOMEBODY = "bbbbbbbb-0000-4000-8000-000000000002"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
QUEUE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
OTHER = "22222222-3333-4444-8555-666666666666"
PUBLISHERS = (
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/publishers"
)
JAMMY = f"{PUBLISHERS}/Canonical/artifacttypes/vmimage/offers/0001-com-ubuntu-server-jammy/skus"
GROUP = "Microsoft.Network/networkSecurityGroups"
DISK: Body = {
    "location": "westeurope",
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
}
RULE: Body = {
    "properties": {
        "protocol": "Tcp",
        "access": "Deny",
        "direction": "Outbound",
        "priority": 100,
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "10.0.0.0/8",
        "sourcePortRange": "*",
        "destinationPortRange": "443",
    }
}


async def give(azure: Azure, role: str, scope: str) -> None:
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    definition = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
    properties = {
        "principalId": SOMEBODY,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": definition + role,
    }
    await azure.send("PUT", f"{path}?api-version=2022-04-01", {"properties": properties})


async def subscriptions_of_somebody(azure: Azure) -> list[str]:
    reply = await azure.send("GET", "/subscriptions?api-version=2022-12-01", as_=SOMEBODY)
    return [each["subscriptionId"] for each in reply.body["value"]]


async def test_a_subscription_is_shown_to_whoever_may_do_something_below_it(azure: Azure) -> None:
    azure.arm.add_subscription(OTHER)
    before = await subscriptions_of_somebody(azure)
    disk = azure.id("Microsoft.Compute/disks", "one")
    await azure.put(disk, DISK)
    await give(azure, QUEUE_SENDER, azure.group)
    with_data_alone = await subscriptions_of_somebody(azure)
    await give(azure, READER, disk)

    assert (before, with_data_alone) == ([], [])
    assert await subscriptions_of_somebody(azure) == [SUBSCRIPTION]


async def test_resources_are_listed_by_group_as_the_portal_and_azure_cli_ask(azure: Azure) -> None:
    await azure.put(azure.id("Microsoft.Compute/disks", "one"), DISK)
    other = azure.group + "2"
    await azure.send("PUT", f"{other}?api-version=2024-03-01", {"location": "westeurope"})
    await azure.put(f"{other}/providers/Microsoft.Compute/disks/two", DISK)
    asked = f"/subscriptions/{SUBSCRIPTION}/resources?api-version=2024-03-01"
    filtered = "&$filter=resourceGroup%20eq%20%27RG2%27&$expand=createdTime%2CprovisioningState"

    reply = await azure.send("GET", asked + filtered)

    (found,) = reply.body["value"]
    assert (found["name"], found["provisioningState"]) == ("two", "Succeeded")


async def test_providers_tell_their_types_and_versions_newest_first(azure: Azure) -> None:
    base = f"/subscriptions/{SUBSCRIPTION}/providers"
    listed = await azure.send("GET", f"{base}?api-version=2024-03-01")
    compute = await azure.send("GET", f"{base}/microsoft.compute?api-version=2024-03-01")
    unknown = await azure.send("GET", f"{base}/Contoso.Nothing?api-version=2024-03-01")

    assert "Microsoft.Storage" in [each["namespace"] for each in listed.body["value"]]
    types = {each["resourceType"]: each for each in compute.body["resourceTypes"]}
    versions = types["virtualMachines"]["apiVersions"]
    assert versions == sorted(versions, reverse=True)
    assert "West Europe" in types["disks"]["locations"]
    assert (unknown.status, unknown.code) == (404, "InvalidResourceNamespace")


async def test_every_version_that_a_provider_tells_is_answered(azure: Azure) -> None:
    base = f"/subscriptions/{SUBSCRIPTION}/providers"
    compute = await azure.send("GET", f"{base}/Microsoft.Compute?api-version=2024-03-01")
    types = {each["resourceType"]: each for each in compute.body["resourceTypes"]}

    for version in types["snapshots"]["apiVersions"]:
        path = f"{base}/Microsoft.Compute/snapshots?api-version={version}"
        assert (await azure.send("GET", path)).status == 200, version


async def test_an_image_is_found_from_its_publisher_to_its_newest_version(azure: Azure) -> None:
    version = "?api-version=2024-11-01"
    publishers = await azure.send("GET", PUBLISHERS + version)
    skus = await azure.send("GET", JAMMY + version)
    versions = await azure.send("GET", f"{JAMMY}/22_04-lts-gen2/versions{version}")
    newest = await azure.send(
        "GET", f"{JAMMY}/22_04-lts-gen2/versions{version}&$top=1&$orderby=name%20desc"
    )
    image = await azure.send(
        "GET", f"{JAMMY}/22_04-lts-gen2/versions/{newest.body[0]['name']}{version}"
    )

    assert [each["name"] for each in publishers.body] == ["Canonical"]
    assert [each["name"] for each in skus.body] == ["22_04-lts", "22_04-lts-gen2"]
    assert newest.body == [versions.body[-1]]
    assert image.body["properties"]["hyperVGeneration"] == "V2"


@pytest.mark.parametrize(
    "path",
    [
        f"{PUBLISHERS}/Nobody/artifacttypes/vmimage/offers",
        f"{PUBLISHERS}/Canonical/artifacttypes/extension/offers",
        f"{JAMMY}/23_10/versions",
        f"{JAMMY}/22_04-lts-gen2/versions/22.04.1",
    ],
    ids=["publisher", "kind", "sku", "version"],
)
async def test_an_image_that_is_not_there_is_not_found(azure: Azure, path: str) -> None:
    reply = await azure.send("GET", f"{path}?api-version=2024-11-01")

    assert (reply.status, reply.code) == (404, "NotFound")


async def test_a_rule_of_its_own_stands_in_its_group_and_goes_alone(azure: Azure) -> None:
    group = azure.id(GROUP, "nsg")
    await azure.put(group, {"location": "westeurope"})

    made = await azure.put(f"{group}/securityRules/no-export", RULE)
    shown = await azure.get(group)
    await azure.done(await azure.send("DELETE", f"{group}/securityRules/no-export"))
    after = await azure.get(group)

    assert shown["properties"]["securityRules"] == [made]
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert after["properties"]["securityRules"] == []
    missing = await azure.send("GET", f"{group}/securityRules/no-export")
    assert missing.status == 404


async def test_a_rule_is_refused_where_another_has_its_place(azure: Azure) -> None:
    group = azure.id(GROUP, "nsg")
    within: Body = {"name": "first", **RULE}
    await azure.put(group, {"location": "westeurope", "properties": {"securityRules": [within]}})
    out_of_range = {"properties": {**RULE["properties"], "priority": 99}}

    first = await azure.get(f"{group}/securityRules/first")
    twin = await azure.send("PUT", f"{group}/securityRules/second", RULE)
    low = await azure.send("PUT", f"{group}/securityRules/third", out_of_range)
    orphan = await azure.send("PUT", f"{azure.id(GROUP, 'none')}/securityRules/r", RULE)

    assert first["properties"]["priority"] == 100
    assert (twin.status, twin.code) == (400, "SecurityRuleConflict")
    assert (low.status, low.code) == (400, "SecurityRuleInvalidPriority")
    assert (orphan.status, orphan.code) == (404, "ParentResourceNotFound")


async def test_a_group_that_is_put_anew_has_its_new_rules_alone(azure: Azure) -> None:
    group = azure.id(GROUP, "nsg")
    await azure.put(group, {"location": "westeurope"})
    await azure.put(f"{group}/securityRules/old", RULE)

    within: Body = {"name": "new", **RULE}
    await azure.put(group, {"location": "westeurope", "properties": {"securityRules": [within]}})

    assert (await azure.send("GET", f"{group}/securityRules/old")).status == 404
    assert (await azure.send("GET", f"{group}/securityRules/new")).status == 200


async def test_a_full_snapshot_is_made_of_a_snapshot_and_no_incremental_one(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "disk")
    first, second = (azure.id("Microsoft.Compute/snapshots", name) for name in ("one", "two"))
    await azure.put(disk, DISK)
    await azure.put(first, copy_of(disk, incremental=True))

    copied = await azure.put(second, copy_of(first, incremental=False))
    refused = await azure.send("PUT", f"{second}-3", copy_of(first, incremental=True))

    assert copied["properties"]["creationData"]["sourceResourceId"] == first
    assert copied["properties"]["diskSizeGB"] == 4
    assert "incrementalSnapshotFamilyId" not in copied["properties"]
    assert azure.contents.there[second.lower()] == first.lower()
    assert refused.status == 400


def copy_of(source: str, *, incremental: bool) -> Body:
    return {
        "location": "westeurope",
        "properties": {
            "creationData": {"createOption": "Copy", "sourceResourceId": source},
            "incremental": incremental,
        },
    }
