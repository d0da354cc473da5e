"""Disk accesses: the doors through which private snapshots and disks are exported."""

from __future__ import annotations

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep
from azure_simulator.arm.connections import connection_routes, connections_of, disconnected
from azure_simulator.arm.disks import not_busy
from azure_simulator.arm.errors import not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.export_policy import DISK_ACCESS, export_host
from azure_simulator.arm.operations import DISK, Work
from azure_simulator.arm.reading import get, missing_disk_access, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource

KIND = DISK_ACCESS
APPROVAL = f"{KIND}/PrivateEndpointConnectionsApproval/action"
ZONE = "privatelink.blob.core.windows.net"

_SECONDS = 2.0


async def _put(exchange: Exchange) -> Answer:
    body = envelope(exchange, KIND)
    existing = exchange.existing
    if existing is not None:
        not_busy(existing)
        existing.body["tags"] = body.get("tags", {})
        return _changed(exchange, existing)
    body["properties"] = {"provisioningState": "Creating", "timeCreated": exchange.cloud.now()}
    resource = keep(exchange, body)
    resource.hidden["exportHost"] = export_host("md-impexp")
    return _changed(exchange, resource)


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, missing_disk_access)
    not_busy(resource)
    if "tags" in exchange.body:
        resource.body["tags"] = tags_of(exchange.body)
    return _changed(exchange, resource)


def _changed(exchange: Exchange, resource: Resource) -> Answer:
    async def work() -> Body:
        resource.properties["provisioningState"] = "Succeeded"
        exchange.cloud.resources.changed()
        return _shown(exchange, resource)

    first = {name: value for name, value in resource.body.items() if name != "properties"}
    return Answer(202, first, _start(exchange, resource, work))


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    not_busy(resource)
    _refuse_in_use(cloud, resource)
    resource.properties["provisioningState"] = "Deleting"

    async def work() -> None:
        await tear_down(cloud, resource)

    return Answer(202, None, _start(exchange, resource, work))


def _refuse_in_use(cloud: Cloud, resource: Resource) -> None:
    for kind in ("Microsoft.Compute/disks", "Microsoft.Compute/snapshots"):
        for other in cloud.resources.of_type(kind):
            if str(other.properties.get("diskAccessId", "")).lower() == resource.id.lower():
                raise not_allowed(
                    f"Disk Access '{resource.id}' is attached to '{other.id}': not deleted."
                )


async def tear_down(cloud: Cloud, resource: Resource) -> None:
    """Remove a disk access; its private endpoints lead nowhere."""
    disconnected(cloud, resource)
    cloud.resources.remove(resource.id)


async def _private_links(exchange: Exchange) -> Answer:
    parent = exchange.cloud.resources.find(exchange.target.parent_path)
    if parent is None:
        raise missing_disk_access(exchange.target)
    resource = {
        "id": f"{parent.id}/privateLinkResources/disks",
        "name": "disks",
        "type": f"{KIND}/privateLinkResources",
        "properties": {
            "groupId": "disks",
            "requiredMembers": [f"{parent.name}.disks"],
            "requiredZoneNames": [ZONE],
        },
    }
    return Answer(200, {"value": [resource]})


def _shown(_exchange: Exchange, resource: Resource) -> Body:
    # Azure leaves the list out until a private endpoint is connected.
    if connections_of(resource):
        return resource.body
    properties = dict(resource.properties)
    del properties["privateEndpointConnections"]
    return {**resource.body, "properties": properties}


def _start(exchange: Exchange, resource: Resource, work: Work) -> dict[str, str]:
    return exchange.start(DISK, work, region=resource.body["location"], seconds=_SECONDS)


def _connection_changed(exchange: Exchange, target: Resource, connection: Body | None) -> Answer:
    async def work() -> Body | None:
        return connection

    return Answer(202, connection, _start(exchange, target, work))


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, missing_disk_access, _shown),
    Route("GET", f"{KIND}/privateLinkResources", _private_links, "*", right=f"{KIND}/read"),
    *connection_routes(KIND, APPROVAL, _connection_changed),
)
