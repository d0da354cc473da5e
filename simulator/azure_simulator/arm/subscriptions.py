"""Subscriptions, their regions, and the resources below them in one list."""

from __future__ import annotations

import re
from urllib.parse import unquote

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.paths import GROUP, SUBSCRIPTION
from azure_simulator.resources import Body, Resource

REGIONS = {
    "westeurope": "West Europe",
    "northeurope": "North Europe",
    "eastus": "East US",
    "eastus2": "East US 2",
    "westus2": "West US 2",
    "germanywestcentral": "Germany West Central",
    "swedencentral": "Sweden Central",
    "uksouth": "UK South",
}

_FILTER = re.compile(
    r"^(resourceType|resourceGroup|name|tagName|tagValue|location) eq '([^']*)'$", re.IGNORECASE
)


def subscription(subscription_id: str, tenant_id: str) -> Resource:
    """Return the resource that stands for a subscription."""
    arm_id = f"/subscriptions/{subscription_id}"
    body: Body = {
        "id": arm_id,
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription_id,
        "tenantId": tenant_id,
        "displayName": f"Simulated {subscription_id[:8]}",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
    }
    return Resource(arm_id, body)


def region_of(body: Body) -> str:
    """Return a request's `location` as Azure stores it, or refuse one that is no region."""
    given = str(body.get("location") or "")
    region = given.replace(" ", "").lower()
    if not region:
        raise ArmError(
            400, "LocationRequired", "The location property is required for this definition."
        )
    if region not in REGIONS:
        message = (
            f"The provided location '{given}' is not available for resource type. List of "
            f"available regions for the resource type is '{','.join(REGIONS)}'."
        )
        raise ArmError(400, "LocationNotAvailableForResourceType", message, gateway=True)
    return region


async def _list(exchange: Exchange) -> Answer:
    # Of type "resource group" for want of a provider in the id: a subscription has no parent.
    everything = exchange.cloud.resources.under("/subscriptions")
    found = [r for r in everything if r.id.count("/") == 2]  # noqa: PLR2004 - /subscriptions/S
    # Whoever may do something anywhere in a subscription is shown it.
    identities, who = exchange.cloud.identities, exchange.identity.object_id
    return Answer(
        200,
        {
            "value": [r.body for r in found if identities.holds_any_right(who, r.id)],
        },
    )


async def _get(exchange: Exchange) -> Answer:
    existing = exchange.existing
    return Answer(200, existing.body if existing else {})


async def _locations(exchange: Exchange) -> Answer:
    base = f"/subscriptions/{exchange.target.subscription}/locations"
    value = [
        {
            "id": f"{base}/{name}",
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": display,
        }
        for name, display in REGIONS.items()
    ]
    return Answer(200, {"value": value})


async def _resources(exchange: Exchange) -> Answer:
    conditions = _conditions(exchange.query.get("$filter", ""))
    found = exchange.cloud.resources.under(exchange.target.parent_path)
    shown = [r for r in found if "location" in r.body and "/providers/" in r.id]
    # Whoever may read some resources only is shown those.
    may_read = [r for r in shown if exchange.may(f"{r.body['type']}/read", r.id)]
    listed = [_summary(r, exchange.query.get("$expand", "")) for r in may_read]
    return Answer(200, {"value": [s for s in listed if _matches(s, conditions)]})


def _conditions(text: str) -> dict[str, str]:
    conditions = {}
    for part in re.split(r"\s+and\s+", unquote(text)) if text else ():
        match = _FILTER.match(part.strip())
        if match is None:
            message = f"The filter '{text}' is not supported."
            raise ArmError(400, "InvalidFilterInQueryString", message, gateway=True)
        conditions[match[1].lower()] = match[2]
    return conditions


def _matches(summary: Body, conditions: dict[str, str]) -> bool:
    tags = {name.lower(): value for name, value in (summary.get("tags") or {}).items()}
    name = conditions.get("tagname", "").lower()
    if name and (name not in tags or conditions.get("tagvalue", tags[name]) != tags[name]):
        return False
    said: dict[str, str] = {
        "resourcetype": summary["type"],
        "resourcegroup": summary["id"].split("/")[4],
        "name": summary["name"],
        "location": summary["location"],
    }
    return all(conditions.get(part, value).lower() == value.lower() for part, value in said.items())


def _summary(resource: Resource, expand: str) -> Body:
    names = ("id", "name", "type", "location", "tags", "sku", "kind", "identity", "zones")
    found = {name: resource.body[name] for name in names if resource.body.get(name) is not None}
    if "provisioningState" in expand.split(","):
        found["provisioningState"] = resource.provisioning_state
    return found


async def _poll(exchange: Exchange) -> Answer:
    return exchange.cloud.operations.poll(exchange.target.name, exchange.url)


ROUTES = (
    Route("GET", SUBSCRIPTION, _list, "*", right="-"),
    Route("GET", SUBSCRIPTION, _get),
    Route("GET", f"{SUBSCRIPTION}/locations", _locations, "*"),
    Route("GET", f"{SUBSCRIPTION}/resources", _resources, "*", right="-"),
    Route("GET", f"{GROUP}/resources", _resources, "*", right="-"),
    # Whoever holds an operation's signed URL may read it; no role is asked for.
    Route("GET", f"{SUBSCRIPTION}/operationresults", _poll, right="-"),
    Route("GET", "Microsoft.Compute/locations/DiskOperations", _poll, right="-"),
    Route("GET", "Microsoft.Compute/locations/operations", _poll, right="-"),
    Route("GET", "Microsoft.Network/locations/operations", _poll, right="-"),
    Route("GET", "Microsoft.Network/locations/operationResults", _poll, right="-"),
    Route("GET", "Microsoft.Network/privateDnsOperationStatuses", _poll, right="-"),
    Route("GET", "Microsoft.Network/privateDnsOperationResults", _poll, right="-"),
    Route("GET", "Microsoft.Storage/locations/asyncoperations", _poll, right="-"),
)
