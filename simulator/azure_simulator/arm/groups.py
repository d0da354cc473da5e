"""Resource groups, and what has to happen to everything in them when one is deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from azure_simulator.arm import (
    accounts,
    connections,
    disk_accesses,
    disks,
    endpoints,
    machine_bodies,
    machines,
    networks,
)
from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError, group_not_found
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.operations import GROUP as GROUP_STYLE
from azure_simulator.arm.paths import GROUP, SUBSCRIPTION
from azure_simulator.arm.subscriptions import region_of
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource

_RIGHT = f"{SUBSCRIPTION}/resourceGroups"
_SECONDS = 60.0

#: Types whose removal takes more than forgetting a body, in the order in which they go.
_TEAR_DOWN: tuple[tuple[str, Callable[[Cloud, Resource], Awaitable[None]]], ...] = (
    (machine_bodies.KIND, machines.tear_down),
    (connections.ENDPOINT, endpoints.tear_down),
    (disks.SNAPSHOT, disks.tear_down),
    (disks.KIND, disks.tear_down),
    (disk_accesses.KIND, disk_accesses.tear_down),
    (accounts.KIND, accounts.tear_down),
    (networks.KIND, networks.tear_down),
)


def _find(exchange: Exchange) -> Resource:
    group = exchange.existing
    if group is None:
        raise group_not_found(exchange.target.group)
    return group


async def _put(exchange: Exchange) -> Answer:
    existing, region = exchange.existing, region_of(exchange.body)
    if existing is not None and existing.provisioning_state == "Deleting":
        message = (
            f"The resource group '{existing.name}' is in deprovisioning state and cannot perform "
            "this operation."
        )
        raise ArmError(409, "ResourceGroupBeingDeleted", message, gateway=True)
    if existing is not None and existing.body["location"] != region:
        message = (
            f"Invalid resource group location '{region}'. The Resource group already exists in "
            f"location '{existing.body['location']}'."
        )
        raise ArmError(409, "InvalidResourceGroupLocation", message, gateway=True)
    target = exchange.target
    arm_id = (
        existing.id
        if existing
        else f"/subscriptions/{target.subscription}/resourceGroups/{target.group}"
    )
    body: Body = {"id": arm_id, "name": arm_id.rsplit("/", 1)[1], "type": GROUP, "location": region}
    if exchange.body.get("tags"):
        body["tags"] = tags_of(exchange.body)
    if exchange.body.get("managedBy"):
        body["managedBy"] = exchange.body["managedBy"]
    body["properties"] = {"provisioningState": "Succeeded"}
    exchange.cloud.resources.put(Resource(arm_id, body))
    return Answer(200 if existing else 201, body)


async def _patch(exchange: Exchange) -> Answer:
    group = _find(exchange)
    if "tags" in exchange.body:
        group.body["tags"] = tags_of(exchange.body)
    return Answer(200, group.body)


async def _get(exchange: Exchange) -> Answer:
    return Answer(200, _find(exchange).body)


async def _head(exchange: Exchange) -> Answer:
    _find(exchange)
    return Answer(204)


async def _list(exchange: Exchange) -> Answer:
    base = f"/subscriptions/{exchange.target.subscription}/resourceGroups/".lower()
    found = exchange.cloud.resources.of_type(GROUP)
    groups = [r for r in found if r.id.lower().startswith(base) and r.body.get("type") == GROUP]
    # Whoever may read some groups only is shown those.
    right = f"{_RIGHT}/read"
    return Answer(200, {"value": [g.body for g in groups if exchange.may(right, g.id)]})


async def _delete(exchange: Exchange) -> Answer:
    group = _find(exchange)
    group.properties["provisioningState"] = "Deleting"

    async def work() -> None:
        await tear_down(exchange.cloud, group)

    region = group.body["location"]
    return Answer(202, None, exchange.start(GROUP_STYLE, work, region=region, seconds=_SECONDS))


async def tear_down(cloud: Cloud, group: Resource) -> None:
    """Remove everything in *group*, then the group."""
    for kind, remove in _TEAR_DOWN:
        for resource in [r for r in cloud.resources.under(group.id) if r.type == kind.lower()]:
            await remove(cloud, resource)
    cloud.resources.remove(group.id)


ROUTES = (
    Route("PUT", GROUP, _put, right=f"{_RIGHT}/write"),
    Route("PATCH", GROUP, _patch, right=f"{_RIGHT}/write"),
    Route("GET", GROUP, _get, right=f"{_RIGHT}/read"),
    Route("HEAD", GROUP, _head, right=f"{_RIGHT}/read"),
    Route("DELETE", GROUP, _delete, right=f"{_RIGHT}/delete"),
    Route("GET", f"{SUBSCRIPTION}/resourceGroups", _list, "*", right="-"),
)
