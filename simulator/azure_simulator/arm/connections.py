"""Private endpoint connections as the owner of an account or a disk access sees them.

The connection lies in the body of its target; the private endpoint's own view of it is kept the
same here, so that whoever reads either finds one truth.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.reading import missing_by_gateway
from azure_simulator.resources import Body, Resource

ENDPOINT = "Microsoft.Network/privateEndpoints"

#: Answers a change of a connection; the disk provider makes an operation of it, storage doesn't.
Answered = Callable[[Exchange, Resource, Body | None], Answer]


def connections_of(target: Resource) -> list[Body]:
    """Return the target's connections, to be changed in place."""
    connections: list[Body] = target.properties.setdefault("privateEndpointConnections", [])
    return connections


def connect(target: Resource, kind: str, endpoint_id: str, state: Body) -> Body:
    """Add a connection from *endpoint_id* to *target* and return it; *kind* is the target's."""
    name = f"{target.name}.{uuid.uuid4()}"
    shown = "PrivateEndpointConnections" if "diskAccesses" in kind else "privateEndpointConnections"
    connection: Body = {
        "name": name,
        "id": f"{target.id}/privateEndpointConnections/{name}",
        "type": f"{kind}/{shown}",
        "properties": {
            "provisioningState": "Succeeded",
            "privateEndpoint": {"id": endpoint_id},
            "privateLinkServiceConnectionState": dict(state),
        },
    }
    connections_of(target).append(connection)
    return connection


def disconnect(cloud: Cloud, endpoint_id: str) -> None:
    """Take the connections of a private endpoint that is gone away from their targets."""
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.Compute/diskAccesses"):
        for target in cloud.resources.of_type(kind):
            kept = [c for c in connections_of(target) if endpoint_of(c) != endpoint_id.lower()]
            target.properties["privateEndpointConnections"] = kept


def endpoint_of(connection: Body) -> str:
    """Return the id of a connection's private endpoint, lower case."""
    endpoint_id: str = connection["properties"]["privateEndpoint"]["id"]
    return endpoint_id.lower()


def links_of(endpoint: Resource) -> list[Body]:
    """Return a private endpoint's own connections, automatic and manual ones."""
    properties = endpoint.properties
    automatic: list[Body] = properties["privateLinkServiceConnections"]
    manual: list[Body] = properties["manualPrivateLinkServiceConnections"]
    return automatic + manual


def tell_endpoint(cloud: Cloud, connection: Body, target_id: str) -> None:
    """Show the private endpoint the state that its connection has at the target."""
    endpoint = cloud.resources.find(endpoint_of(connection))
    if endpoint is None:
        return
    state = connection["properties"]["privateLinkServiceConnectionState"]
    for link in links_of(endpoint):
        if link["properties"]["privateLinkServiceId"].lower() == target_id.lower():
            link["properties"]["privateLinkServiceConnectionState"] = {
                "status": state["status"],
                "description": state.get("description", ""),
                "actionsRequired": "None",
            }


def disconnected(cloud: Cloud, target: Resource) -> None:
    """Show the private endpoints of a target that goes away that they lead nowhere."""
    for connection in connections_of(target):
        state = connection["properties"]["privateLinkServiceConnectionState"]
        state |= {"status": "Disconnected", "description": "The resource was deleted."}
        tell_endpoint(cloud, connection, target.id)


def _find(target: Resource, name: str) -> Body | None:
    return next((c for c in connections_of(target) if c["name"].lower() == name.lower()), None)


def _target(exchange: Exchange) -> Resource:
    # `…/storageAccounts/a/privateEndpointConnections[/c]`: the target is what the path begins with.
    path = exchange.target.path
    at = path.lower().rindex("/privateendpointconnections")
    target = exchange.cloud.resources.find(path[:at])
    if target is None:
        raise missing_by_gateway(exchange.target)
    return target


def connection_routes(kind: str, approval: str, answered: Answered) -> tuple[Route, ...]:
    """Return the routes of the connections of one *kind*; approving needs the right *approval*."""
    child = f"{kind}/privateEndpointConnections"

    async def list_all(exchange: Exchange) -> Answer:
        return Answer(200, {"value": connections_of(_target(exchange))})

    async def get_one(exchange: Exchange) -> Answer:
        return Answer(200, _existing(exchange)[1])

    async def put(exchange: Exchange) -> Answer:
        target, connection = _existing(exchange)
        exchange.require(approval, target.id)
        state = exchange.properties.get("privateLinkServiceConnectionState") or {}
        if state.get("status") not in ("Approved", "Rejected"):
            message = "The status of a private endpoint connection is set to Approved or Rejected."
            raise ArmError(400, "InvalidParameter", message)
        connection["properties"]["privateLinkServiceConnectionState"] |= {
            "status": state["status"],
            "description": state.get("description", ""),
        }
        tell_endpoint(exchange.cloud, connection, target.id)
        exchange.cloud.resources.changed()
        return answered(exchange, target, connection)

    async def delete(exchange: Exchange) -> Answer:
        target = _target(exchange)
        connection = _find(target, exchange.target.name)
        if connection is None:
            return Answer(204)
        connection["properties"]["privateLinkServiceConnectionState"]["status"] = "Disconnected"
        tell_endpoint(exchange.cloud, connection, target.id)
        connections_of(target).remove(connection)
        exchange.cloud.resources.changed()
        return answered(exchange, target, None)

    return (
        Route("GET", child, list_all, "*"),
        Route("GET", child, get_one),
        Route("PUT", child, put),
        Route("DELETE", child, delete),
    )


def _existing(exchange: Exchange) -> tuple[Resource, Body]:
    target = _target(exchange)
    connection = _find(target, exchange.target.name)
    if connection is None:
        message = f"The private endpoint connection '{exchange.target.name}' was not found."
        raise ArmError(404, "PrivateEndpointConnectionNotFound", message)
    return target, connection
