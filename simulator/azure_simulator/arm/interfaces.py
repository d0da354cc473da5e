"""Network interfaces: addresses out of subnets, for VMs and for private endpoints."""

from __future__ import annotations

import secrets
import uuid

from azure_simulator.arm.addresses import INTERFACE as KIND
from azure_simulator.arm.addresses import allocate
from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep, weak_etag
from azure_simulator.arm.errors import ArmError, invalid_reference
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.network_writes import check_preconditions, provisioned, start_delete
from azure_simulator.arm.networks import SECURITY_GROUP, SUBNET
from azure_simulator.arm.reading import get, missing_by_gateway, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource

_SECONDS = 3.0


def subnet_for(exchange: Exchange, subnet_id: str, referring: str) -> Resource:
    """Return the subnet that something is put into, or refuse."""
    subnet = exchange.cloud.resources.find(subnet_id)
    if subnet is None or subnet.type != SUBNET.lower():
        raise invalid_reference(subnet_id, referring)
    exchange.require_linked(f"{SUBNET}/join/action", subnet.id)
    network = exchange.cloud.resources.find(subnet.id.rsplit("/", 2)[0])
    if (
        network is None
        or network.body["location"] != exchange.body.get("location", "").replace(" ", "").lower()
    ):
        raise invalid_reference(subnet_id, referring)
    provisioned(subnet, referring)
    return subnet


def make_interface(cloud: Cloud, base: Body, configurations: list[Body]) -> Resource:
    """Store an interface; *base* has name, id, location, *configurations* are complete."""
    etag = weak_etag()
    for configuration in configurations:
        configuration["etag"] = etag
    body: Body = {
        **base,
        "etag": etag,
        "type": KIND,
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": str(uuid.uuid4()),
            "ipConfigurations": configurations,
            "dnsSettings": {
                "dnsServers": [],
                "appliedDnsServers": [],
                "internalDomainNameSuffix": f"{secrets.token_hex(13)}.ax.internal.cloudapp.net",
            },
            "enableAcceleratedNetworking": False,
            "vnetEncryptionSupported": False,
            "enableIPForwarding": False,
            "hostedWorkloads": [],
            "tapConfigurations": [],
            "nicType": "Standard",
        },
    }
    resource = Resource(body["id"], body)
    cloud.resources.put(resource)
    return resource


def ip_configuration(interface_id: str, name: str, address: str, subnet_id: str) -> Body:
    """Return one IP configuration with its address."""
    return {
        "name": name,
        "id": f"{interface_id}/ipConfigurations/{name}",
        "type": f"{KIND}/ipConfigurations",
        "properties": {
            "provisioningState": "Succeeded",
            "privateIPAddress": address,
            "privateIPAllocationMethod": "Dynamic",
            "subnet": {"id": subnet_id},
            "primary": True,
            "privateIPAddressVersion": "IPv4",
        },
    }


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    existing = exchange.existing
    base = envelope(exchange, KIND)
    given = exchange.properties
    wanted = given.get("ipConfigurations") or []
    if not wanted:
        message = f"The network interface {base['id']} must have one or more IP configurations."
        raise ArmError(
            400, "NetworkInterfaceMustHaveAtLeastOneIpConfiguration", message, details=[]
        )
    group = given.get("networkSecurityGroup")
    if group:
        if exchange.cloud.resources.find(group["id"]) is None:
            raise invalid_reference(group["id"], base["id"])
        exchange.require_linked(f"{SECURITY_GROUP}/join/action", group["id"])
    configurations = _configurations(exchange, base["id"], wanted)
    resource = make_interface(exchange.cloud, base, configurations)
    _carry_over(resource, existing, given)
    if group:
        resource.properties["networkSecurityGroup"] = {"id": group["id"]}
    keep(exchange, resource.body)
    return Answer(200 if existing else 201, resource.body)


def _carry_over(resource: Resource, existing: Resource | None, given: Body) -> None:
    for flag in ("enableAcceleratedNetworking", "enableIPForwarding", "disableTcpStateTracking"):
        if flag in given:
            resource.properties[flag] = bool(given[flag])
    for word in ("auxiliaryMode", "auxiliarySku"):
        if word in given:
            resource.properties[word] = given[word]
    servers = list((given.get("dnsSettings") or {}).get("dnsServers") or [])
    resource.properties["dnsSettings"] |= {"dnsServers": servers, "appliedDnsServers": servers}
    if existing is None:
        return
    for name in ("resourceGuid", "virtualMachine", "macAddress", "primary"):
        if name in existing.properties:
            resource.properties[name] = existing.properties[name]


def _configurations(exchange: Exchange, interface_id: str, wanted: list[Body]) -> list[Body]:
    had = exchange.existing.properties["ipConfigurations"] if exchange.existing else []
    kept = {c["name"].lower(): c["properties"] for c in had}
    taken: set[str] = set()
    made: list[Body] = []
    for given in wanted:
        properties = given.get("properties") or {}
        subnet_id = (properties.get("subnet") or {}).get("id", "")
        subnet = subnet_for(exchange, subnet_id, interface_id)
        before = kept.get(given["name"].lower())
        address = properties.get("privateIPAddress")
        if before is not None and address in (None, before["privateIPAddress"]):
            address = before["privateIPAddress"]
        else:
            address = allocate(exchange.cloud, subnet, taken, address)
        taken.add(address)
        configuration = ip_configuration(interface_id, given["name"], address, subnet.id)
        configuration["properties"]["primary"] = bool(properties.get("primary", not made))
        if properties.get("privateIPAllocationMethod") == "Static":
            configuration["properties"]["privateIPAllocationMethod"] = "Static"
        made.append(configuration)
    return made


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, missing_by_gateway)
    resource.body["tags"] = tags_of(exchange.body)
    resource.body["etag"] = weak_etag()
    return Answer(200, resource.body)


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    for user in ("virtualMachine", "privateEndpoint"):
        holder = resource.properties.get(user)
        if holder:
            message = (
                f"Network Interface {resource.id} is used by existing resource {holder['id']}. In "
                "order to delete the network interface, it must be dissociated from the resource. "
                "To learn more, see aka.ms/deletenic."
            )
            raise ArmError(400, "NicInUse", message, details=[])

    async def finish() -> None:
        cloud.resources.remove(resource.id)

    return start_delete(
        exchange, resource, region=resource.body["location"], seconds=_SECONDS, finish=finish
    )


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND),
)
