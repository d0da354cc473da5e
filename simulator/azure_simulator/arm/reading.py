"""GET of one resource and of collections, alike for every type, and how each type words its 404."""

from __future__ import annotations

from collections.abc import Callable

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError, resource_not_found
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.paths import Target
from azure_simulator.resources import Body, Resource, parent_id

#: Makes the 404 of a missing resource.
Missing = Callable[[Target], ArmError]

#: Makes what is shown of a resource.
Shown = Callable[[Exchange, Resource], Body]


def missing_by_gateway(target: Target) -> ArmError:
    """Return Resource Manager's 404, of the topmost resource for a child."""
    kind = f"{target.namespace}/{target.types[0]}"
    return resource_not_found(kind, target.names[0], target.group)


def missing_disk_resource(word: str) -> Missing:
    """Return the disk provider's 404, ``Snapshot x is not found.``."""

    def missing(target: Target) -> ArmError:
        return ArmError(404, "NotFound", f"{word} {target.name} is not found.")

    return missing


def missing_disk_access(target: Target) -> ArmError:
    """Return the disk provider's 404 for a disk access, which it words differently."""
    return ArmError(404, "NotFound", f"DiskAccess object {target.name} not found.")


def missing_network_child(target: Target) -> ArmError:
    """Return the network provider's 404 of a child of a resource that is there."""
    return ArmError(404, "NotFound", f"Resource {target.path} not found.", details=[])


def shown(_exchange: Exchange, resource: Resource) -> Body:
    """Return the body as it stands."""
    return resource.body


def get(exchange: Exchange, missing: Missing) -> Resource:
    """Return the resource that the path names, or raise its type's 404."""
    resource = exchange.existing
    if resource is not None:
        return resource
    if len(exchange.target.names) > 1:
        require_parent(exchange)
    raise missing(exchange.target)


def require_parent(exchange: Exchange) -> Resource:
    """Return what the path's resource is a child of, or raise the 404 that names it."""
    parent = exchange.cloud.resources.find(parent_id(exchange.target.path))
    if parent is None:
        raise missing_by_gateway(exchange.target)
    return parent


def reading_routes(
    kind: str, missing: Missing = missing_by_gateway, show: Shown = shown
) -> tuple[Route, ...]:
    """Return the routes for GET of one *kind* and of its collection."""

    async def get_one(exchange: Exchange) -> Answer:
        resource = get(exchange, missing)
        body = show(exchange, resource)
        etag = body.get("etag")
        return Answer(200, body, {"ETag": etag} if etag else {})

    async def get_all(exchange: Exchange) -> Answer:
        if len(exchange.target.names) > 0:
            require_collection_parent(exchange)
        found = exchange.cloud.resources.under(_collection_scope(exchange.target))
        wanted = [r for r in found if r.type == kind.lower()]
        return Answer(200, {"value": [show(exchange, resource) for resource in wanted]})

    return (Route("GET", kind, get_one), Route("GET", kind, get_all, "*"))


def require_collection_parent(exchange: Exchange) -> Resource:
    """Return what a collection is below, or raise the 404 that names it."""
    parent = exchange.cloud.resources.find(exchange.target.parent_path)
    if parent is None:
        raise missing_by_gateway(exchange.target)
    return parent


def _collection_scope(target: Target) -> str:
    return target.parent_path if target.names else target.scope
