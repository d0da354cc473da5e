"""Virtual networks and their subnets."""

from __future__ import annotations

import ipaddress
from itertools import combinations

from azure_simulator.arm.addresses import configurations_in
from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, weak_etag
from azure_simulator.arm.errors import ArmError, invalid_reference, parent_not_found
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.network_writes import (
    check_preconditions,
    not_busy,
    start_delete,
    start_write,
)
from azure_simulator.arm.reading import (
    get,
    missing_by_gateway,
    missing_network_child,
    reading_routes,
)
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource, parent_id

KIND = "Microsoft.Network/virtualNetworks"
SUBNET = f"{KIND}/subnets"
PEERING = f"{KIND}/virtualNetworkPeerings"
SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups"
ENDPOINT = "Microsoft.Network/privateEndpoints"

_FIRST_S = 3.0
_SECONDS = 4.0


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    existing = exchange.existing
    not_busy(exchange, existing)
    body = envelope(exchange, KIND)
    given = exchange.properties
    prefixes = (given.get("addressSpace") or {}).get("addressPrefixes") or []
    _check_prefixes(prefixes)
    old = existing.body["properties"] if existing else {}
    body["etag"] = weak_etag()
    body["properties"] = {
        "provisioningState": "Updating",
        "addressSpace": {"addressPrefixes": prefixes},
        "privateEndpointVNetPolicies": "Disabled",
        **{name: given[name] for name in ("dhcpOptions", "encryption") if name in given},
        "subnets": old.get("subnets", []),
        "virtualNetworkPeerings": old.get("virtualNetworkPeerings", []),
        "enableDdosProtection": bool(given.get("enableDdosProtection", False)),
    }
    if "resourceGuid" in old:
        body["properties"]["resourceGuid"] = old["resourceGuid"]
    resource = existing or Resource(body["id"], body)
    if "subnets" in given:
        subnets = [_subnet(exchange, resource.id, member) for member in given["subnets"]]
        _check_subnets(prefixes, subnets)
        _replace_subnets(exchange, resource, subnets)
    resource.body = body
    exchange.cloud.resources.put(resource)
    show_children(exchange.cloud, resource)
    return start_write(
        exchange,
        resource,
        created=existing is None,
        region=body["location"],
        first=_FIRST_S,
        seconds=_SECONDS,
    )


def _check_prefixes(prefixes: list[str]) -> None:
    if not prefixes:
        message = "The address space of a virtual network needs at least one prefix."
        raise ArmError(400, "InvalidRequestFormat", message, details=[])
    for prefix in prefixes:
        _parsed(prefix)


def _parsed(prefix: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(prefix)
    except ValueError as error:
        message = f"The address prefix {prefix} is not in CIDR notation or has host bits set."
        raise ArmError(400, "InvalidCIDRNotation", message, details=[]) from error


def _subnet(exchange: Exchange, network_id: str, given: Body) -> Resource:
    """Return the subnet that *given* describes: within a network's PUT, or a PUT of its own."""
    name, wanted = given.get("name", ""), given.get("properties") or {}
    arm_id = f"{network_id}/subnets/{name}"
    existing = exchange.cloud.resources.find(arm_id)
    prefix = wanted.get("addressPrefix") or (wanted.get("addressPrefixes") or [""])[0]
    _parsed(prefix)
    _check_security_group(exchange, arm_id, wanted)
    kept = ("networkSecurityGroup", "serviceEndpoints", "natGateway", "routeTable")
    properties: Body = {
        "provisioningState": "Succeeded",
        "addressPrefix": prefix,
        **{member: wanted[member] for member in kept if member in wanted},
        "delegations": wanted.get("delegations", []),
        "privateEndpointNetworkPolicies": wanted.get("privateEndpointNetworkPolicies", "Disabled"),
        "privateLinkServiceNetworkPolicies": wanted.get(
            "privateLinkServiceNetworkPolicies", "Enabled"
        ),
    }
    if "defaultOutboundAccess" in wanted:
        properties["defaultOutboundAccess"] = wanted["defaultOutboundAccess"]
    body: Body = {
        "name": name,
        "id": existing.id if existing else arm_id,
        "etag": weak_etag(),
        "properties": properties,
        "type": SUBNET,
    }
    return Resource(body["id"], body, existing.hidden if existing else {})


def _check_security_group(exchange: Exchange, subnet_id: str, wanted: Body) -> None:
    group = wanted.get("networkSecurityGroup")
    if not group:
        return
    if exchange.cloud.resources.find(group["id"]) is None:
        raise invalid_reference(group["id"], subnet_id)
    exchange.require_linked(f"{SECURITY_GROUP}/join/action", group["id"])


def _check_subnets(prefixes: list[str], subnets: list[Resource]) -> None:
    spaces = [_parsed(prefix) for prefix in prefixes]
    ranges = [(s.name, _parsed(s.properties["addressPrefix"])) for s in subnets]
    for name, network in ranges:
        if not any(network.subnet_of(space) for space in spaces):
            message = f"Subnet '{name}' is not valid: its range is outside the virtual network's."
            raise ArmError(400, "NetcfgSubnetRangeOutsideVnet", message, details=[])
    for (one, first), (other, second) in combinations(ranges, 2):
        if first.overlaps(second):
            message = f"Subnet '{one}' is not valid: its range overlaps with that of '{other}'."
            raise ArmError(400, "NetcfgSubnetRangesOverlap", message, details=[])


def _replace_subnets(exchange: Exchange, network: Resource, subnets: list[Resource]) -> None:
    wanted = {subnet.id.lower() for subnet in subnets}
    for old in subnets_of(exchange.cloud, network):
        if old.id.lower() not in wanted:
            refuse_in_use(exchange.cloud, old)
            exchange.cloud.resources.remove(old.id)
    for subnet in subnets:
        exchange.cloud.resources.put(subnet)


def subnets_of(cloud: Cloud, network: Resource) -> list[Resource]:
    """Return the subnets of a virtual network."""
    return [r for r in cloud.resources.under(network.id) if r.type == SUBNET.lower()]


def show_children(cloud: Cloud, network: Resource) -> None:
    """Show subnets, with who is in them, and peerings in the body of their network."""
    for subnet in subnets_of(cloud, network):
        _show_inhabitants(cloud, subnet)
    children = list(cloud.resources.under(network.id))
    shown = network.properties
    shown["subnets"] = [r.body for r in children if r.type == SUBNET.lower()]
    shown["virtualNetworkPeerings"] = [r.body for r in children if r.type == PEERING.lower()]


def _show_inhabitants(cloud: Cloud, subnet: Resource) -> None:
    configurations = [{"id": arm_id} for _, arm_id, _ in configurations_in(cloud, subnet.id)]
    endpoints = [
        {"id": endpoint.id}
        for endpoint in cloud.resources.of_type(ENDPOINT)
        if endpoint.properties["subnet"]["id"].lower() == subnet.id.lower()
    ]
    for name, members in (("ipConfigurations", configurations), ("privateEndpoints", endpoints)):
        subnet.properties.pop(name, None)
        if members:
            subnet.properties[name] = members


def refuse_in_use(cloud: Cloud, subnet: Resource) -> None:
    """Refuse to delete a subnet that something lives in."""
    for _, configuration_id, _ in configurations_in(cloud, subnet.id):
        message = (
            f"Subnet {subnet.name} is in use by {configuration_id} and cannot be deleted. In order "
            "to delete the subnet, delete all the resources within the subnet. See "
            "aka.ms/deletesubnet."
        )
        raise ArmError(400, "InUseSubnetCannotBeDeleted", message, details=[])


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, missing_by_gateway)
    not_busy(exchange, resource)
    resource.body["tags"] = tags_of(exchange.body)
    resource.body["etag"] = weak_etag()
    exchange.cloud.resources.changed()
    return Answer(200, resource.body)


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    not_busy(exchange, resource)
    for subnet in subnets_of(cloud, resource):
        refuse_in_use(cloud, subnet)

    async def finish() -> None:
        await tear_down(cloud, resource)

    return start_delete(
        exchange, resource, region=resource.body["location"], seconds=_SECONDS, finish=finish
    )


async def tear_down(cloud: Cloud, resource: Resource) -> None:
    """Remove a network; peerings that led to it are disconnected."""
    for peering in list(cloud.resources.of_type(PEERING)):
        if peering.properties["remoteVirtualNetwork"]["id"].lower() == resource.id.lower():
            peering.properties["peeringState"] = "Disconnected"
    cloud.resources.remove(resource.id)


async def _put_subnet(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    network = _network(exchange, "write")
    not_busy(exchange, network)
    existing = exchange.existing
    named = {**exchange.body, "name": existing.name if existing else exchange.target.name}
    subnet = _subnet(exchange, network.id, named)
    others = [s for s in subnets_of(exchange.cloud, network) if s.id != subnet.id]
    _check_subnets(network.properties["addressSpace"]["addressPrefixes"], [*others, subnet])
    if (
        existing is not None
        and existing.properties["addressPrefix"] != subnet.properties["addressPrefix"]
    ):
        refuse_in_use(exchange.cloud, existing)

    async def finish() -> None:
        show_children(exchange.cloud, network)

    answer = start_write(
        exchange,
        subnet,
        created=existing is None,
        region=network.body["location"],
        first=_FIRST_S,
        seconds=_SECONDS,
        finish=finish,
        also=network,
    )
    del subnet.properties["resourceGuid"]  # subnets, alone, have none
    del answer.body["properties"]["resourceGuid"]
    show_children(exchange.cloud, network)
    return answer


def _network(exchange: Exchange, verb: str) -> Resource:
    network_id = parent_id(exchange.target.path)
    network = exchange.cloud.resources.find(network_id)
    if network is None:
        raise parent_not_found(verb, SUBNET, network_id)
    return network


async def _delete_subnet(exchange: Exchange) -> Answer:
    cloud, subnet = exchange.cloud, exchange.existing
    network = cloud.resources.find(parent_id(exchange.target.path))
    if network is None:
        raise missing_by_gateway(exchange.target)
    if subnet is None:
        return Answer(204)
    not_busy(exchange, network)
    refuse_in_use(cloud, subnet)

    async def finish() -> None:
        cloud.resources.remove(subnet.id)
        show_children(cloud, network)

    return start_delete(
        exchange, subnet, region=network.body["location"], seconds=_SECONDS, finish=finish
    )


def _shown(exchange: Exchange, network: Resource) -> Body:
    show_children(exchange.cloud, network)
    return network.body


def _shown_subnet(exchange: Exchange, subnet: Resource) -> Body:
    _show_inhabitants(exchange.cloud, subnet)
    return subnet.body


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, missing_by_gateway, _shown),
    Route("PUT", SUBNET, _put_subnet),
    Route("DELETE", SUBNET, _delete_subnet),
    *reading_routes(SUBNET, missing_network_child, _shown_subnet),
)
