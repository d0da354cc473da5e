"""User-assigned identities, and VMs' identities of both kinds."""

from __future__ import annotations

import uuid

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.reading import reading_routes
from azure_simulator.resources import Body, Resource

KIND = "Microsoft.ManagedIdentity/userAssignedIdentities"
ASSIGN = f"{KIND}/assign/action"

_SYSTEM, _USER = "SystemAssigned", "UserAssigned"


async def _put(exchange: Exchange) -> Answer:
    body, existing = envelope(exchange, KIND), exchange.existing
    identities = exchange.cloud.identities
    body.setdefault("tags", {})
    body["properties"] = (
        existing.properties
        if existing
        else {
            "tenantId": identities.tenant_id,
            "principalId": str(uuid.uuid4()),
            "clientId": str(uuid.uuid4()),
        }
    )
    keep(exchange, body)
    identities.add_managed(body["properties"]["principalId"], body["name"])
    return Answer(200 if existing else 201, body)


async def _delete(exchange: Exchange) -> Answer:
    resource = exchange.existing
    if resource is None:
        return Answer(204)
    exchange.cloud.resources.remove(resource.id)
    return Answer(200)


def machine_identity(exchange: Exchange, name: str, before: Body) -> Body | None:
    """Return the identity that a VM called *name* has by the request, None for none.

    *before* is the one that it had: a system-assigned one stays while the VM keeps it.
    """
    wanted = exchange.body.get("identity") or {}
    kinds = [kind.strip() for kind in str(wanted.get("type") or "None").split(",")]
    shown: Body = {"type": ", ".join(kinds)}
    if _SYSTEM in kinds:
        identities = exchange.cloud.identities
        shown["principalId"] = before.get("principalId", str(uuid.uuid4()))
        shown["tenantId"] = identities.tenant_id
        identities.add_managed(shown["principalId"], name)
    if _USER in kinds:
        named = wanted.get("userAssignedIdentities") or {}
        shown["userAssignedIdentities"] = {each: _assigned(exchange, each) for each in named}
    return shown if len(shown) > 1 else None


def _assigned(exchange: Exchange, identity_id: str) -> Body:
    found: Resource | None = exchange.cloud.resources.find(identity_id)
    if found is None or found.type != KIND.lower():
        message = (
            f"Identity operation for resource '{exchange.target.path}' failed with error 'Failed "
            f"to perform resource identity operation. Status: 'NotFound'. The identity "
            f"'{identity_id}' was not found.'"
        )
        raise ArmError(400, "FailedIdentityOperation", message, gateway=True)
    exchange.require_linked(ASSIGN, found.id)
    return {name: found.properties[name] for name in ("principalId", "clientId")}


ROUTES = (
    Route("PUT", KIND, _put),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND),
)
