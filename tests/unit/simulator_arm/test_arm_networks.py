"""Networks, addresses, peerings, private endpoints, zones: what the private network is made of."""

from __future__ import annotations

import pytest

from azure_simulator.arm.accounts import revocations
from azure_simulator.resources import Body, name_of
from tests.unit.simulator_arm.conftest import SLOWLY, Azure

REGION = {"location": "westeurope"}
BLOB_ZONE = "privatelink.blob.core.windows.net"


async def make_network(azure: Azure, name: str = "v", prefix: str = "10.0.0.0/16") -> str:
    network = azure.id("Microsoft.Network/virtualNetworks", name)
    subnet = {"name": "s", "properties": {"addressPrefix": prefix.replace("/16", "/29")}}
    space = {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": [subnet]}
    await azure.put(network, {**REGION, "properties": space})
    return network


def interface_body(network: str) -> Body:
    configuration = {"name": "ip", "properties": {"subnet": {"id": f"{network}/subnets/s"}}}
    return {**REGION, "properties": {"ipConfigurations": [configuration]}}


async def make_account(azure: Azure, name: str = "acct1") -> str:
    account = azure.id("Microsoft.Storage/storageAccounts", name)
    await azure.put(account, {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    return account


def endpoint_body(
    network: str, target: str, group: str = "blob", kind: str = "privateLinkServiceConnections"
) -> Body:
    properties = {"privateLinkServiceId": target, "groupIds": [group]}
    connection = {"name": "c", "properties": properties}
    return {
        **REGION,
        "properties": {"subnet": {"id": f"{network}/subnets/s"}, kind: [connection]},
    }


async def make_endpoint(azure: Azure, network: str, target: str, name: str = "pe") -> str:
    endpoint = azure.id("Microsoft.Network/privateEndpoints", name)
    group = "disks" if "diskAccesses" in target else "blob"
    await azure.put(endpoint, endpoint_body(network, target, group))
    return endpoint


async def make_zone(azure: Azure, group: str = "") -> str:
    zone = f"{group or azure.group}/providers/Microsoft.Network/privateDnsZones/{BLOB_ZONE}"
    await azure.put(zone, {"location": "global"})
    return zone


async def join_zone(azure: Azure, endpoint: str, zone: str) -> Body:
    config = {"name": "blob", "properties": {"privateDnsZoneId": zone}}
    group = {"properties": {"privateDnsZoneConfigs": [config]}}
    return await azure.put(f"{endpoint}/privateDnsZoneGroups/default", group)


async def addresses(azure: Azure, zone: str, name: str) -> list[str]:
    record = await azure.send("GET", f"{zone}/A/{name}")
    if record.status == 404:
        return []
    return [entry["ipv4Address"] for entry in record.body["properties"]["aRecords"]]


async def test_a_subnet_keeps_five_addresses_and_then_is_full(azure: Azure) -> None:
    network = await make_network(azure)
    got = []
    for number in range(3):  # a /29 has eight
        interface = azure.id("Microsoft.Network/networkInterfaces", f"n{number}")
        reply = await azure.send("PUT", interface, interface_body(network))
        assert (reply.status, "Azure-AsyncOperation" in reply.headers) == (201, False)
        configuration = reply.body["properties"]["ipConfigurations"][0]
        got.append(configuration["properties"]["privateIPAddress"])

    last = azure.id("Microsoft.Network/networkInterfaces", "n3")
    full = await azure.send("PUT", last, interface_body(network))

    assert got == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    assert (full.status, full.code) == (400, "SubnetIsFull")
    subnet = await azure.get(f"{network}/subnets/s")
    assert len(subnet["properties"]["ipConfigurations"]) == 3


async def test_a_subnet_in_use_is_not_deleted(azure: Azure) -> None:
    network = await make_network(azure)
    interface = azure.id("Microsoft.Network/networkInterfaces", "n")
    await azure.put(interface, interface_body(network))

    for path in (f"{network}/subnets/s", network):
        reply = await azure.send("DELETE", path)
        assert (reply.status, reply.code) == (400, "InUseSubnetCannotBeDeleted")
    await azure.done(await azure.send("DELETE", interface))
    await azure.done(await azure.send("DELETE", f"{network}/subnets/s"))
    assert (await azure.get(network))["properties"]["subnets"] == []


@pytest.mark.parametrize(
    ("prefix", "code"),
    [
        ("10.1.0.0/24", "NetcfgSubnetRangeOutsideVnet"),
        ("10.0.0.0/24", "NetcfgSubnetRangesOverlap"),
        ("10.0.1.1/24", "InvalidCIDRNotation"),
    ],
)
async def test_a_subnet_must_fit(azure: Azure, prefix: str, code: str) -> None:
    network = await make_network(azure)

    reply = await azure.send(
        "PUT", f"{network}/subnets/t", {"properties": {"addressPrefix": prefix}}
    )

    assert (reply.status, reply.code) == (400, code)


async def test_peerings_connect_when_both_sides_are_there(azure: Azure) -> None:
    one = await make_network(azure, "one", "10.1.0.0/16")
    two = await make_network(azure, "two", "10.2.0.0/16")
    to_two, to_one = f"{one}/virtualNetworkPeerings/p", f"{two}/virtualNetworkPeerings/p"

    first = await azure.put(to_two, {"properties": {"remoteVirtualNetwork": {"id": two}}})
    assert first["properties"]["peeringState"] == "Initiated"
    second = await azure.put(to_one, {"properties": {"remoteVirtualNetwork": {"id": one}}})
    assert second["properties"]["peeringState"] == "Connected"
    assert (await azure.get(to_two))["properties"]["peeringState"] == "Connected"
    shown = (await azure.get(one))["properties"]["virtualNetworkPeerings"]
    assert [peering["name"] for peering in shown] == ["p"]

    await azure.done(await azure.send("DELETE", to_one))
    assert (await azure.get(to_two))["properties"]["peeringState"] == "Disconnected"
    again = await azure.send("PUT", to_one, {"properties": {"remoteVirtualNetwork": {"id": one}}})
    assert (again.status, again.code) == (400, "RemotePeeringIsDisconnected")


async def test_networks_that_overlap_are_not_peered(azure: Azure) -> None:
    one = await make_network(azure, "one")
    two = await make_network(azure, "two")

    reply = await azure.send(
        "PUT",
        f"{one}/virtualNetworkPeerings/p",
        {"properties": {"remoteVirtualNetwork": {"id": two}}},
    )

    assert (reply.status, reply.code) == (400, "VnetAddressSpacesOverlap")


async def test_an_endpoint_has_an_address_a_connection_and_dns_when_it_is_done(
    azure: Azure,
) -> None:
    network, account = await make_network(azure), await make_account(azure)
    endpoint = azure.id("Microsoft.Network/privateEndpoints", "pe")

    reply = await azure.send("PUT", endpoint, endpoint_body(network, account))
    await azure.done(reply)
    done = (await azure.get(endpoint))["properties"]
    connections = (await azure.get(account))["properties"]["privateEndpointConnections"]

    assert (reply.status, reply.body["properties"]["customDnsConfigs"]) == (201, [])
    expected = {"fqdn": "acct1.blob.core.windows.net", "ipAddresses": ["10.0.0.4"]}
    assert done["customDnsConfigs"] == [expected]
    state = done["privateLinkServiceConnections"][0]["properties"]
    assert state["privateLinkServiceConnectionState"]["status"] == "Approved"
    assert connections[0]["properties"]["privateEndpoint"]["id"] == endpoint
    interface = (await azure.get(done["networkInterfaces"][0]["id"]))["properties"]
    link = interface["ipConfigurations"][0]["properties"]["privateLinkConnectionProperties"]
    assert link["fqdns"] == ["acct1.blob.core.windows.net"]


async def test_a_manual_connection_waits_for_approval_and_can_be_rejected(azure: Azure) -> None:
    network, account = await make_network(azure), await make_account(azure)
    endpoint = azure.id("Microsoft.Network/privateEndpoints", "pe")
    manual = "manualPrivateLinkServiceConnections"
    await azure.put(endpoint, endpoint_body(network, account, kind=manual))

    async def seen() -> str:
        body = await azure.get(endpoint)
        link = body["properties"][manual][0]["properties"]
        return str(link["privateLinkServiceConnectionState"]["status"])

    assert await seen() == "Pending"
    listed = await azure.get(f"{account}/privateEndpointConnections")
    connection = listed["value"][0]["id"]
    for status in ("Approved", "Rejected"):
        state = {"privateLinkServiceConnectionState": {"status": status, "description": "by test"}}
        assert (await azure.send("PUT", connection, {"properties": state})).status == 200
        assert await seen() == status
    assert (await azure.send("DELETE", connection)).status == 200
    assert await seen() == "Disconnected"


async def test_an_automatic_connection_needs_the_right_to_approve(azure: Azure) -> None:
    network, account = await make_network(azure), await make_account(azure)
    someone = "bbbbbbbb-0000-4000-8000-000000000002"
    base = f"/subscriptions/{azure.group.split('/')[2]}/providers/Microsoft.Authorization"
    definition = f"{base}/roleDefinitions/dddddddd-0000-4000-8000-000000000004"
    role = {
        "roleName": "Network only",
        "assignableScopes": [azure.group],
        "permissions": [{"actions": ["Microsoft.Network/*"]}],
    }
    await azure.send("PUT", definition, {"properties": role})
    given = {
        "principalId": someone,
        "roleDefinitionId": definition,
        "principalType": "ServicePrincipal",
    }
    assignment = f"{azure.group}/providers/Microsoft.Authorization/roleAssignments/{someone}"
    await azure.send("PUT", assignment, {"properties": given})
    endpoint = azure.id("Microsoft.Network/privateEndpoints", "pe")

    automatic = await azure.send("PUT", endpoint, endpoint_body(network, account), as_=someone)
    manual_body = endpoint_body(network, account, kind="manualPrivateLinkServiceConnections")
    manual = await azure.send("PUT", endpoint, manual_body, as_=someone)

    assert (automatic.status, automatic.code) == (403, "LinkedAuthorizationFailed")
    assert "PrivateEndpointConnectionsApproval/action" in automatic.body["error"]["message"]
    assert manual.status == 201


async def test_a_zone_group_writes_and_withdraws_the_endpoints_record(azure: Azure) -> None:
    network, account = await make_network(azure), await make_account(azure)
    zone, endpoint = await make_zone(azure), await make_endpoint(azure, network, account)

    group = await join_zone(azure, endpoint, zone)

    shown = group["properties"]["privateDnsZoneConfigs"][0]["properties"]["recordSets"]
    assert [record["recordSetName"] for record in shown] == ["acct1"]
    assert await addresses(azure, zone, "acct1") == ["10.0.0.4"]
    await azure.done(await azure.send("DELETE", endpoint))
    assert await addresses(azure, zone, "acct1") == []
    assert (await azure.get(account))["properties"]["privateEndpointConnections"] == []
    subnet = await azure.get(f"{network}/subnets/s")
    assert "ipConfigurations" not in subnet["properties"]


async def test_in_a_shared_zone_the_last_endpoint_of_an_account_wins(azure: Azure) -> None:
    one = await make_network(azure, "one", "10.1.0.0/16")
    two = await make_network(azure, "two", "10.2.0.0/16")
    account, zone = await make_account(azure), await make_zone(azure)
    first = await make_endpoint(azure, one, account, "pe1")
    second = await make_endpoint(azure, two, account, "pe2")

    await join_zone(azure, first, zone)
    await join_zone(azure, second, zone)
    assert await addresses(azure, zone, "acct1") == ["10.2.0.4"]
    await azure.done(await azure.send("DELETE", first))
    assert await addresses(azure, zone, "acct1") == ["10.2.0.4"]


async def test_a_disk_access_is_reached_over_a_record_of_the_blob_zone(azure: Azure) -> None:
    network, zone = await make_network(azure), await make_zone(azure)
    disk_access = azure.id("Microsoft.Compute/diskAccesses", "a")
    await azure.put(disk_access, REGION)
    endpoint = await make_endpoint(azure, network, disk_access)
    await join_zone(azure, endpoint, zone)

    configs = (await azure.get(endpoint))["properties"]["customDnsConfigs"]
    label = configs[0]["fqdn"].split(".")[0]
    assert label.startswith("md-impexp-")
    assert await addresses(azure, zone, label) == ["10.0.0.4"]
    connections = (await azure.get(disk_access))["properties"]["privateEndpointConnections"]
    assert len(connections) == 1


@SLOWLY
async def test_a_disk_access_is_linked_to_one_network(azure: Azure) -> None:
    disk_access = azure.id("Microsoft.Compute/diskAccesses", "a")
    await azure.put(disk_access, REGION)
    one = await make_network(azure, "one")
    two = await make_network(azure, "two", "10.1.0.0/16")
    first = azure.id("Microsoft.Network/privateEndpoints", "first")
    second = azure.id("Microsoft.Network/privateEndpoints", "second")

    # The first one is still being made when the second is asked for.
    begun = await azure.send("PUT", first, endpoint_body(one, disk_access, "disks"))
    refused = await azure.send("PUT", second, endpoint_body(two, disk_access, "disks"))
    await azure.done(begun)
    beside = await azure.send("PUT", f"{second}2", endpoint_body(one, disk_access, "disks"))
    await azure.done(beside)
    for name in (first, f"{second}2"):
        await azure.done(await azure.send("DELETE", name))
    elsewhere = await azure.send("PUT", second, endpoint_body(two, disk_access, "disks"))

    assert (refused.status, beside.status, elsewhere.status) == (400, 201, 201)
    assert disk_access in refused.body["error"]["message"]


async def test_a_disk_access_is_reached_from_a_network_of_its_own_subscription(
    azure: Azure,
) -> None:
    foreign = await azure.in_other_subscription("Microsoft.Compute/diskAccesses", "a")
    await azure.put(foreign, REGION)
    network = await make_network(azure)
    endpoint = azure.id("Microsoft.Network/privateEndpoints", "pe")

    refused = await azure.send("PUT", endpoint, endpoint_body(network, foreign, "disks"))

    assert (refused.status, refused.code) == (400, "PrivateLinkServiceSubscriptionInvalid")


async def test_an_account_in_a_network_security_perimeter_is_refused_by_name(
    azure: Azure,
) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    secured = {"publicNetworkAccess": "SecuredByPerimeter"}
    body = {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": secured}
    perimeter = azure.id("Microsoft.Network/networkSecurityPerimeters", "p")

    refused = await azure.send("PUT", account, body)
    unknown = await azure.send("PUT", perimeter, REGION)

    assert (refused.status, unknown.status) == (400, 404)
    assert "network security perimeters" in refused.body["error"]["message"]
    assert "'networkSecurityPerimeters'" in unknown.body["error"]["message"]


async def test_a_network_is_linked_to_one_zone_of_a_name(azure: Azure) -> None:
    network = await make_network(azure)
    other_group = f"{azure.group}2"
    await azure.send("PUT", other_group, {"location": "westeurope"})
    zone, twin = await make_zone(azure), await make_zone(azure, other_group)
    link = {"location": "global", "properties": {"virtualNetwork": {"id": network}}}

    made = await azure.put(f"{zone}/virtualNetworkLinks/l", link)
    refused = await azure.send("PUT", f"{twin}/virtualNetworkLinks/l", link)

    assert made["properties"]["virtualNetworkLinkState"] == "Completed"
    assert (refused.status, refused.code) == (400, "BadRequest")
    assert "overlapping namespaces" in refused.body["error"]["message"]
    busy = await azure.send("DELETE", zone)
    assert (busy.status, busy.code) == (409, "CannotDeleteResource")
    assert (await azure.get(zone))["properties"]["numberOfVirtualNetworkLinks"] == 1


@pytest.mark.parametrize(
    ("zone_name", "policy", "shown"),
    [
        (BLOB_ZONE, None, "Default"),
        (BLOB_ZONE, "nxdomainredirect", "NxDomainRedirect"),
        (BLOB_ZONE, "Forward", None),
        ("contoso.internal", "NxDomainRedirect", None),
    ],
)
async def test_a_links_resolution_policy_is_a_known_one_of_a_privatelink_zone(
    azure: Azure, zone_name: str, policy: str | None, shown: str | None
) -> None:
    zone = azure.id("Microsoft.Network/privateDnsZones", zone_name)
    await azure.put(zone, {"location": "global"})
    properties: Body = {"virtualNetwork": {"id": await make_network(azure)}}
    properties |= {} if policy is None else {"resolutionPolicy": policy}
    link = f"{zone}/virtualNetworkLinks/l?api-version=2024-06-01"

    answer = await azure.send("PUT", link, {"location": "global", "properties": properties})

    if shown is None:
        assert (answer.status, answer.code) == (400, "BadRequest")
    else:
        await azure.done(answer)
        assert (await azure.get(link))["properties"]["resolutionPolicy"] == shown


async def test_records_are_written_read_listed_and_deleted(azure: Azure) -> None:
    zone = await make_zone(azure)
    record = {"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "10.9.9.9"}]}}

    made = await azure.send("PUT", f"{zone}/A/acct", record)
    again = await azure.send("PUT", f"{zone}/A/acct", record)
    listed = await azure.get(f"{zone}/ALL")

    assert (made.status, again.status) == (201, 200)
    assert made.headers["ETag"] == made.body["etag"]
    assert made.body["properties"]["fqdn"] == f"acct.{BLOB_ZONE}."
    assert [r["name"] for r in listed["value"]] == ["acct"]
    assert (await azure.send("DELETE", f"{zone}/A/acct")).status == 200
    assert (await azure.send("DELETE", f"{zone}/A/acct")).status == 204


async def test_delegation_keys_are_revoked_by_account(azure: Azure) -> None:
    one, two = await make_account(azure), await make_account(azure, "acct2")

    reply = await azure.send("POST", f"{one}/revokeUserDelegationKeys")
    missing = await azure.send("POST", f"{one}x/revokeUserDelegationKeys")

    assert (reply.status, missing.status) == (200, 404)
    assert [revocations(azure.resources, name_of(each)) for each in (one, two)] == [1, 0]
