"""Long-running operations: statuses, headers, signed URLs and bodies, per type as recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.simulator_arm.conftest import SLOWLY, Azure

REGION = {"location": "westeurope"}
DISK = {**REGION, "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8}}
NETWORK: dict[str, Any] = {
    **REGION,
    "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}},
}
ACCOUNT = {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}


@pytest.mark.parametrize(
    ("path", "body", "status", "headers"),
    [
        ("Microsoft.Compute/disks/d", DISK, 202, "A L R"),
        ("Microsoft.Compute/diskAccesses/a", REGION, 202, "A L"),
        ("Microsoft.Network/virtualNetworks/v", NETWORK, 201, "A R"),
        ("Microsoft.Network/networkSecurityGroups/n", REGION, 201, "A R"),
        ("Microsoft.Network/privateDnsZones/x.y", {"location": "global"}, 202, "A L R"),
        ("Microsoft.Storage/storageAccounts/acct1", ACCOUNT, 202, "L R"),
    ],
    ids=["disk", "disk access", "network", "security group", "zone", "account"],
)
async def test_the_first_answer_has_the_status_and_headers_of_its_type(
    azure: Azure, path: str, body: dict[str, Any], status: int, headers: str
) -> None:
    reply = await azure.send("PUT", f"{azure.group}/providers/{path}", body)

    assert reply.status == status
    names = {"A": "Azure-AsyncOperation", "L": "Location", "R": "Retry-After"}
    assert {short for short, name in names.items() if name in reply.headers} == set(headers.split())
    await azure.done(reply)


async def test_operation_urls_are_as_long_as_azures(azure: Azure) -> None:
    reply = await azure.send("PUT", azure.id("Microsoft.Compute/disks", "d"), DISK)

    for header in ("Azure-AsyncOperation", "Location"):
        assert 3200 <= len(reply.headers[header]) <= 3800
        assert reply.headers[header].startswith("https://management.azure.com/subscriptions/")
    assert "monitor=true" in reply.headers["Location"]


async def test_an_altered_operation_url_is_refused(azure: Azure) -> None:
    reply = await azure.send("PUT", azure.id("Microsoft.Compute/disks", "d"), DISK)
    url = reply.headers["Azure-AsyncOperation"]

    assert (await azure.send("GET", url.replace("2026-03-02", "2025-01-02"))).status == 403
    assert (await azure.send("GET", url[:-1])).status == 403
    assert (await azure.send("GET", url)).status == 200


async def test_an_operation_needs_a_token_but_no_role(azure: Azure) -> None:
    reply = await azure.send("PUT", azure.id("Microsoft.Compute/disks", "d"), DISK)
    url = reply.headers["Azure-AsyncOperation"]

    assert (await azure.send("GET", url, as_=None)).status == 401
    assert (await azure.send("GET", url, as_="cccccccc-0000-4000-8000-000000000003")).status == 200


async def test_a_disks_operation_ends_with_the_whole_disk(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    reply = await azure.send("PUT", disk, DISK)
    first = await azure.send("GET", reply.headers["Azure-AsyncOperation"])
    last = await azure.done(reply)

    assert reply.body["properties"]["provisioningState"] == "Updating"
    assert "uniqueId" not in reply.body["properties"]
    assert first.body["status"] == "InProgress"
    assert {"startTime", "name"} <= set(first.body)
    assert last.body["properties"]["output"] == await azure.get(disk)
    assert last.body["properties"]["output"]["properties"]["diskState"] == "Unattached"


async def test_a_location_is_202_until_it_is_the_answer(azure: Azure) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    reply = await azure.send("PUT", account, ACCOUNT)
    first = await azure.send("GET", reply.headers["Location"])
    keys = await azure.send("POST", f"{account}/listKeys")
    last = await azure.done(reply)

    assert (reply.body, first.status, first.body) == (None, 202, None)
    assert first.headers["Location"] == reply.headers["Location"]
    assert (keys.status, keys.code) == (409, "StorageAccountIsNotProvisioned")
    assert last.body["properties"]["provisioningState"] == "Succeeded"
    assert (await azure.send("PUT", account, ACCOUNT)).status == 200


async def test_private_dns_polls_are_202_and_repeat_their_urls(azure: Azure) -> None:
    zone = azure.id("Microsoft.Network/privateDnsZones", "privatelink.blob.core.windows.net")
    reply = await azure.send("PUT", zone, {"location": "global"})
    first = await azure.send("GET", reply.headers["Azure-AsyncOperation"])

    assert (reply.body, first.status, first.body) == ({}, 202, {"status": "InProgress"})
    assert first.headers["Azure-AsyncOperation"] == reply.headers["Azure-AsyncOperation"]
    assert (await azure.send("GET", zone)).status == 404
    assert (await azure.done(reply)).body == {"status": "Succeeded"}
    assert (await azure.get(zone))["etag"]


@SLOWLY
async def test_a_second_write_to_a_network_is_refused_while_the_first_is_under_way(
    azure: Azure,
) -> None:
    network = azure.id("Microsoft.Network/virtualNetworks", "v")
    first = await azure.send("PUT", network, NETWORK)
    second = await azure.send("PUT", network, NETWORK)
    subnet = {"properties": {"addressPrefix": "10.0.0.0/24"}}
    child = await azure.send("PUT", f"{network}/subnets/s", subnet)

    assert (second.status, second.code) == (409, "AnotherOperationInProgress")
    assert (child.status, child.code) == (409, "AnotherOperationInProgress")
    operation = first.headers["Azure-AsyncOperation"].partition("?")[0]
    assert operation in second.body["error"]["message"]
    await azure.done(first)
    assert (await azure.send("PUT", f"{network}/subnets/s", subnet)).status == 201


async def test_network_etags_change_and_guard_writes(azure: Azure) -> None:
    network = azure.id("Microsoft.Network/virtualNetworks", "v")
    reply = await azure.send("PUT", network, NETWORK)
    await azure.done(reply)
    got = await azure.send("GET", network)

    assert got.headers["ETag"] == got.body["etag"] != reply.body["etag"]
    stale = await azure.send("PUT", network, NETWORK, headers={"If-Match": reply.body["etag"]})
    assert (stale.status, stale.code) == (412, "PreconditionFailed")
    new = await azure.send("PUT", network, NETWORK, headers={"If-None-Match": "*"})
    assert new.status == 412
    good = await azure.send("PUT", network, NETWORK, headers={"If-Match": got.body["etag"]})
    assert good.status == 200


async def test_deleting_what_is_not_there_is_204(azure: Azure) -> None:
    for kind in ("Microsoft.Compute/disks", "Microsoft.Network/virtualNetworks"):
        assert (await azure.send("DELETE", azure.id(kind, "nothing"))).status == 204


async def test_what_fails_meanwhile_ends_as_failed(azure: Azure) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    azure.accounts.refuse = True
    reply = await azure.send("PUT", account, ACCOUNT)
    last = await azure.send("GET", reply.headers["Location"])
    while last.status == 202:
        await asyncio.sleep(0.01)
        last = await azure.send("GET", reply.headers["Location"])

    assert (last.status, last.code) == (500, "InternalServerError")
    assert (await azure.get(account))["properties"]["provisioningState"] == "Failed"
    assert (await azure.send("DELETE", account)).status == 200


async def test_an_account_that_failed_is_made_by_another_put(azure: Azure) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    azure.accounts.refuse = True
    await azure.done(await azure.send("PUT", account, ACCOUNT))
    azure.accounts.refuse = False

    await azure.done(await azure.send("PUT", account, ACCOUNT))

    assert (await azure.get(account))["properties"]["provisioningState"] == "Succeeded"


async def test_a_failed_status_document_is_a_200_with_the_error(azure: Azure) -> None:
    network = azure.id("Microsoft.Network/virtualNetworks", "v")
    subnets = [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}]
    space = {**NETWORK["properties"], "subnets": subnets}
    await azure.put(network, {**REGION, "properties": space})
    disk_access = azure.id("Microsoft.Compute/diskAccesses", "a")
    await azure.put(disk_access, REGION)
    link = {"privateLinkServiceId": disk_access, "groupIds": ["disks"]}
    body = {
        "subnet": {"id": f"{network}/subnets/s"},
        "privateLinkServiceConnections": [{"name": "c", "properties": link}],
    }
    endpoint = azure.id("Microsoft.Network/privateEndpoints", "pe")
    reply = await azure.send("PUT", endpoint, {**REGION, "properties": body})
    azure.resources.remove(disk_access)
    url = reply.headers["Azure-AsyncOperation"]
    last = await azure.send("GET", url)
    while last.body["status"] == "InProgress":
        await asyncio.sleep(0.01)
        last = await azure.send("GET", url)

    assert (last.status, last.body["status"]) == (200, "Failed")
    assert last.body["error"]["code"] == "InvalidResourceReference"
    assert (await azure.get(endpoint))["properties"]["provisioningState"] == "Failed"
