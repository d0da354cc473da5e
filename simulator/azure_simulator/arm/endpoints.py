"""Private endpoints: an address in a subnet that leads to an account or a disk access."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from azure_simulator.arm import accounts, disk_accesses
from azure_simulator.arm.addresses import allocate
from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, weak_etag
from azure_simulator.arm.connections import (
    ENDPOINT as KIND,
)
from azure_simulator.arm.connections import (
    connect,
    disconnect,
    links_of,
)
from azure_simulator.arm.errors import ArmError, invalid_reference
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.interfaces import ip_configuration, make_interface, subnet_for
from azure_simulator.arm.network_writes import (
    check_preconditions,
    not_busy,
    start_delete,
    start_write,
)
from azure_simulator.arm.reading import missing_by_gateway, reading_routes
from azure_simulator.arm.records import withdraw
from azure_simulator.resources import Body, Resource, parent_id

_SECONDS = 15.0

_AUTOMATIC, _MANUAL = "privateLinkServiceConnections", "manualPrivateLinkServiceConnections"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The one connection that a private endpoint is asked to have."""

    name: str
    target: Resource
    group: str
    manual: bool
    message: str


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    existing = exchange.existing
    not_busy(exchange, existing)
    base = envelope(exchange, KIND)
    wanted = _wanted(exchange, base["id"])
    subnet_id = (exchange.properties.get("subnet") or {}).get("id", "")
    subnet = subnet_for(exchange, subnet_id, base["id"])
    if existing is not None:
        return _put_again(exchange, existing, base, wanted, subnet)
    _check_place(exchange.cloud, wanted, subnet)
    interface = _interface(exchange, base, wanted, subnet)
    etag = weak_etag()
    link = _link(base["id"], wanted, etag)
    custom_name = exchange.properties.get("customNetworkInterfaceName", "")
    body: Body = {
        **base,
        "etag": etag,
        "properties": {
            "provisioningState": "Updating",
            _AUTOMATIC: [] if wanted.manual else [link],
            _MANUAL: [link] if wanted.manual else [],
            "customNetworkInterfaceName": custom_name,
            "subnet": {"id": subnet.id},
            "ipConfigurations": [],
            "networkInterfaces": [{"id": interface.id}],
            "customDnsConfigs": [],
        },
    }
    resource = Resource(base["id"], body)
    return start_write(
        exchange,
        resource,
        created=True,
        region=base["location"],
        first=10,
        seconds=_SECONDS,
        finish=lambda: _finish(exchange.cloud, resource, wanted, interface),
    )


def _wanted(exchange: Exchange, endpoint_id: str) -> _Wanted:
    given = exchange.properties
    automatic, manual = given.get(_AUTOMATIC) or [], given.get(_MANUAL) or []
    if len(automatic) + len(manual) != 1:
        message = f"Private endpoint {endpoint_id} needs exactly one private link connection."
        raise ArmError(400, "PrivateEndpointConnectionCountInvalid", message, details=[])
    connection = (automatic or manual)[0]
    properties = connection.get("properties") or {}
    target_id = properties.get("privateLinkServiceId", "")
    target = exchange.cloud.resources.find(target_id)
    groups = properties.get("groupIds") or []
    allowed = _groups(target)
    if target is None or not allowed:
        raise invalid_reference(target_id, endpoint_id)
    if len(groups) != 1 or groups[0] not in allowed:
        message = (
            f"Call to {target.body['type']} failed. Error message: group ids {groups} are not "
            f"supported; supported are {list(allowed)}."
        )
        raise ArmError(400, "PrivateLinkServiceGroupIdInvalid", message, details=[])
    if automatic:
        # An automatic connection is approved with the caller's own right to approve it; a caller
        # without that right asks for a manual one.
        exchange.require_linked(_approval(target), target.id)
    message = properties.get("requestMessage", "")
    return _Wanted(connection.get("name", ""), target, groups[0], bool(manual), message)


def _groups(target: Resource | None) -> tuple[str, ...]:
    if target is not None and target.type == accounts.KIND.lower():
        return ("blob", "queue")
    if target is not None and target.type == disk_accesses.KIND.lower():
        return ("disks",)
    return ()


def _approval(target: Resource) -> str:
    return accounts.APPROVAL if "blob" in _groups(target) else disk_accesses.APPROVAL


def _check_place(cloud: Cloud, wanted: _Wanted, subnet: Resource) -> None:
    if wanted.group != "disks":
        return
    if wanted.target.id.split("/")[2].lower() != subnet.id.split("/")[2].lower():
        message = "A disk access can only be reached from a network of its own subscription."
        raise ArmError(400, "PrivateLinkServiceSubscriptionInvalid", message, details=[])
    network = parent_id(subnet.id).lower()
    for other in _leading_to(cloud, wanted.target):
        if parent_id(other.properties["subnet"]["id"]).lower() != network:
            message = (
                f"The disk access {wanted.target.id} is linked to another virtual network, by "
                f"{other.id}; it can be linked to one only."
            )
            raise ArmError(400, "PrivateLinkServiceNetworkInvalid", message, details=[])


def _leading_to(cloud: Cloud, target: Resource) -> Iterator[Resource]:
    """Yield the endpoints that lead to *target*, those that are being made among them."""
    for endpoint in cloud.resources.of_type(KIND):
        for link in links_of(endpoint):
            properties = link["properties"]
            state = properties["privateLinkServiceConnectionState"]["status"]
            same = properties["privateLinkServiceId"].lower() == target.id.lower()
            if same and state not in ("Rejected", "Disconnected"):
                yield endpoint


def _fqdn(wanted: _Wanted) -> str:
    if wanted.group == "disks":
        host: str = wanted.target.hidden["exportHost"]
        return host
    return f"{wanted.target.name.lower()}.{wanted.group}.core.windows.net"


def _interface(exchange: Exchange, base: Body, wanted: _Wanted, subnet: Resource) -> Resource:
    cloud = exchange.cloud
    address = allocate(cloud, subnet, set())
    custom_name = exchange.properties.get("customNetworkInterfaceName")
    name = custom_name or f"{base['name']}.nic.{uuid.uuid4()}"
    group_id = base["id"].split("/providers/", 1)[0]
    arm_id = f"{group_id}/providers/Microsoft.Network/networkInterfaces/{name}"
    label = f"privateEndpointIpConfig.{uuid.uuid4()}"
    configuration = ip_configuration(arm_id, label, address, subnet.id)
    configuration["properties"]["privateLinkConnectionProperties"] = {
        "groupId": wanted.group,
        "requiredMemberName": wanted.group,
        "fqdns": [_fqdn(wanted)],
    }
    nic_base = {"name": name, "id": arm_id, "location": base["location"]}
    interface = make_interface(cloud, nic_base, [configuration])
    interface.properties["privateEndpoint"] = {"id": base["id"]}
    interface.properties["macAddress"] = ""
    return interface


def _link(endpoint_id: str, wanted: _Wanted, etag: str) -> Body:
    state = {"status": "Approved", "description": "Auto Approved", "actionsRequired": "None"}
    if wanted.manual:
        state = {"status": "Pending", "description": wanted.message, "actionsRequired": "None"}
    child = _MANUAL if wanted.manual else _AUTOMATIC
    return {
        "name": wanted.name,
        "id": f"{endpoint_id}/{child}/{wanted.name}",
        "etag": etag,
        "properties": {
            "provisioningState": "Succeeded",
            "privateLinkServiceId": wanted.target.id,
            "groupIds": [wanted.group],
            **({"requestMessage": wanted.message} if wanted.message else {}),
            "privateLinkServiceConnectionState": state,
        },
        "type": f"{KIND}/{child}",
    }


async def _finish(cloud: Cloud, endpoint: Resource, wanted: _Wanted, interface: Resource) -> None:
    if cloud.resources.find(wanted.target.id) is None:
        raise invalid_reference(wanted.target.id, endpoint.id)
    status = "Pending" if wanted.manual else "Approved"
    description = wanted.message if wanted.manual else "Auto-Approved"
    none = "actionRequired" if wanted.group != "disks" else "actionsRequired"
    state = {"status": status, "description": description, none: "None"}
    kind = accounts.KIND if wanted.group != "disks" else disk_accesses.KIND
    connect(wanted.target, kind, endpoint.id, state)
    for link in links_of(endpoint):
        link["properties"]["privateLinkServiceConnectionState"]["description"] = description
    address = interface.properties["ipConfigurations"][0]["properties"]["privateIPAddress"]
    endpoint.properties["customDnsConfigs"] = [{"fqdn": _fqdn(wanted), "ipAddresses": [address]}]


def _put_again(
    exchange: Exchange, existing: Resource, base: Body, wanted: _Wanted, subnet: Resource
) -> Answer:
    link = links_of(existing)[0]["properties"]
    same = (
        existing.properties["subnet"]["id"].lower() == subnet.id.lower()
        and link["privateLinkServiceId"].lower() == wanted.target.id.lower()
        and link["groupIds"] == [wanted.group]
    )
    if not same:
        message = f"Subnet and connections of private endpoint {existing.id} cannot be changed."
        raise ArmError(400, "PrivateEndpointCannotBeUpdated", message, details=[])
    existing.body["tags"] = base.get("tags", {})
    return start_write(
        exchange, existing, created=False, region=base["location"], first=10, seconds=_SECONDS
    )


async def _delete(exchange: Exchange) -> Answer:
    cloud, endpoint = exchange.cloud, exchange.existing
    if endpoint is None:
        return Answer(204)
    not_busy(exchange, endpoint)

    async def finish() -> None:
        await tear_down(cloud, endpoint)

    return start_delete(
        exchange, endpoint, region=endpoint.body["location"], seconds=_SECONDS, finish=finish
    )


async def tear_down(cloud: Cloud, endpoint: Resource) -> None:
    """Remove an endpoint with its interface, its connection and the records it wrote."""
    withdraw(cloud, endpoint)
    for interface in endpoint.properties["networkInterfaces"]:
        cloud.resources.remove(interface["id"])
    disconnect(cloud, endpoint.id)
    cloud.resources.remove(endpoint.id)


ROUTES = (
    Route("PUT", KIND, _put),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, missing_by_gateway),
)
