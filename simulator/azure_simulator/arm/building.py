"""Making resource bodies: the id as it was first written, names, types, entity tags."""

from __future__ import annotations

import uuid

from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Exchange
from azure_simulator.arm.subscriptions import region_of
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource, name_of


def canonical_id(exchange: Exchange, kind: str) -> str:
    """Return the id of the path's resource, the resource type spelt as Azure spells it.

    The resource group keeps the spelling that it was made with, as the names keep theirs.
    """
    target = exchange.target
    group_id = f"/subscriptions/{target.subscription}/resourceGroups/{target.group}"
    group = exchange.cloud.resources.find(group_id)
    namespace, *types = kind.split("/")
    pairs = "/".join(f"{t}/{n}" for t, n in zip(types, target.names, strict=True))
    return f"{group.id if group else group_id}/providers/{namespace}/{pairs}"


def envelope(exchange: Exchange, kind: str, *, tracked: bool = True) -> Body:
    """Return name, id and type of what a PUT makes, and for a tracked one its region and tags."""
    existing = exchange.existing
    arm_id = existing.id if existing else canonical_id(exchange, kind)
    body: Body = {"name": name_of(arm_id), "id": arm_id, "type": kind}
    if tracked:
        body["location"] = _unmoved(existing, region_of(exchange.body))
        tags = tags_of(exchange.body)
        if tags:
            body["tags"] = tags
    return body


def _unmoved(existing: Resource | None, region: str) -> str:
    if existing is not None and existing.body["location"] != region:
        message = (
            f"The resource '{existing.name}' already exists in location "
            f"'{existing.body['location']}'. A resource with the same name cannot be created in "
            f"location '{region}'. Please select a new resource name."
        )
        raise ArmError(409, "InvalidResourceLocation", message, gateway=True)
    return region


def weak_etag() -> str:
    """Return a fresh entity tag as the network provider has them."""
    return f'W/"{uuid.uuid4()}"'


def numbered_etag(body: Body) -> str:
    """Return the entity tag behind that of *body*, as Compute has them."""
    number = str(body.get("etag", "0")).strip('"')
    return f'"{int(number) + 1}"'


def keep(exchange: Exchange, body: Body) -> Resource:
    """Store *body*, the hidden part of an existing resource kept; return the resource."""
    existing = exchange.existing
    resource = Resource(body["id"], body, existing.hidden if existing else {})
    exchange.cloud.resources.put(resource)
    return resource
