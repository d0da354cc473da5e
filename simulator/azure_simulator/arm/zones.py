"""Private DNS zones, the virtual networks that they are linked to, and their A records."""

from __future__ import annotations

import base64
import secrets
import uuid

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import canonical_id
from azure_simulator.arm.errors import ArmError, parent_not_found
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.network_writes import check_preconditions
from azure_simulator.arm.networks import KIND as NETWORK
from azure_simulator.arm.operations import PRIVATE_DNS
from azure_simulator.arm.reading import (
    get,
    missing_by_gateway,
    missing_network_child,
    reading_routes,
)
from azure_simulator.arm.records import RECORD, ZONE, write_record
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource, parent_id

LINK = f"{ZONE}/virtualNetworkLinks"

#: Azure's limit on tags of private DNS resources.
_MOST_TAGS = 15
_SECONDS = 25.0
_POLICIES = ("Default", "NxDomainRedirect")
#: The API version from which links have a resolution policy.
_WITH_POLICY = "2024-06-01"
_REMAINING = {"x-ms-ratelimit-remaining-subscription-resource-requests": "499"}


def _global(exchange: Exchange) -> None:
    if str(exchange.body.get("location", "")).lower() != "global":
        message = (
            f"The provided location '{exchange.body.get('location', '')}' is not available for "
            "resource type. List of available regions for the resource type is 'global'."
        )
        raise ArmError(400, "LocationNotAvailableForResourceType", message, gateway=True)


async def _put_zone(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    _global(exchange)
    tags = tags_of(exchange.body, most=_MOST_TAGS)
    cloud, existing = exchange.cloud, exchange.existing
    arm_id = existing.id if existing else canonical_id(exchange, ZONE)
    if "." not in exchange.target.name:
        message = "A private DNS zone's name has at least two labels."
        raise ArmError(400, "BadRequest", message)

    async def work() -> None:
        zone = existing or _new_zone(arm_id)
        zone.body["tags"] = tags
        zone.body["etag"] = str(uuid.uuid4())
        cloud.resources.put(zone)

    headers = exchange.start(PRIVATE_DNS, work, region="global", seconds=_SECONDS)
    return Answer(202, {}, headers)


def _new_zone(arm_id: str) -> Resource:
    identity = base64.b64encode(f"ImmutableZoneIdentity;{uuid.uuid4()};0".encode()).decode()
    body: Body = {
        "id": arm_id,
        "name": arm_id.rsplit("/", 1)[1],
        "type": ZONE,
        "etag": "",
        "location": "global",
        "properties": {
            "internalId": identity,
            "maxNumberOfRecordSets": 25000,
            "maxNumberOfVirtualNetworkLinks": 1000,
            "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
            "numberOfRecordSets": 1,
            "numberOfVirtualNetworkLinks": 0,
            "numberOfVirtualNetworkLinksWithRegistration": 0,
            "provisioningState": "Succeeded",
        },
    }
    return Resource(arm_id, body)


def _children(cloud: Cloud, zone: Resource, kind: str) -> list[Resource]:
    return [r for r in cloud.resources.under(zone.id) if r.type == kind.lower()]


def _shown_zone(exchange: Exchange, zone: Resource) -> Body:
    links = _children(exchange.cloud, zone, LINK)
    counts = {
        "numberOfRecordSets": 1 + len(_children(exchange.cloud, zone, RECORD)),
        "numberOfVirtualNetworkLinks": len(links),
        "numberOfVirtualNetworkLinksWithRegistration": sum(
            bool(link.properties["registrationEnabled"]) for link in links
        ),
    }
    zone.properties.update(counts)
    return zone.body


async def _delete_zone(exchange: Exchange) -> Answer:
    cloud, zone = exchange.cloud, exchange.existing
    if zone is None:
        return Answer(204)
    links = _children(cloud, zone, LINK)
    if links:
        nested = links[0].id.split("/providers/", 1)[1]
        message = (
            "Cannot delete resource while nested resources exist. Some existing nested resource "
            f"IDs include: '{nested}'. Please delete all nested resources before deleting this "
            "resource."
        )
        raise ArmError(409, "CannotDeleteResource", message, gateway=True)
    return _removed_later(exchange, zone)


def _removed_later(exchange: Exchange, resource: Resource) -> Answer:
    async def work() -> None:
        exchange.cloud.resources.remove(resource.id)

    headers = exchange.start(PRIVATE_DNS, work, region="global", seconds=_SECONDS)
    return Answer(202, None, headers)


async def _put_link(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    _global(exchange)
    tags = tags_of(exchange.body, most=_MOST_TAGS)
    cloud, existing = exchange.cloud, exchange.existing
    zone = _zone(exchange, LINK)
    network = _linked_network(exchange, zone)
    given = exchange.properties
    link_id = existing.id if existing else f"{zone.id}/virtualNetworkLinks/{exchange.target.name}"
    properties: Body = {
        "provisioningState": "Succeeded",
        "registrationEnabled": bool(given.get("registrationEnabled", False)),
        "virtualNetwork": {"id": network.id},
        "virtualNetworkLinkState": "Completed",
    }
    policy = _resolution_policy(exchange, zone)
    if policy is not None:
        properties["resolutionPolicy"] = policy

    async def work() -> None:
        if existing is None:
            _refuse_overlap(cloud, zone, network)
        body: Body = {
            "id": link_id,
            "name": link_id.rsplit("/", 1)[1],
            "type": LINK,
            "etag": f'"{secrets.token_hex(4)}-0000-0100-0000-{secrets.token_hex(6)}"',
            "location": "global",
            "tags": tags,
            "properties": properties,
        }
        cloud.resources.put(Resource(link_id, body))

    headers = exchange.start(PRIVATE_DNS, work, region="global", seconds=_SECONDS)
    return Answer(202, {}, headers)


def _resolution_policy(exchange: Exchange, zone: Resource) -> str | None:
    """Return what the link does with names that the zone lacks; older API versions know nothing."""
    if exchange.api_version < _WITH_POLICY:
        return None
    given = exchange.properties.get("resolutionPolicy") or "Default"
    known = next((policy for policy in _POLICIES if policy.lower() == str(given).lower()), None)
    if known is None:
        message = f"The value '{given}' of resolutionPolicy is none of {', '.join(_POLICIES)}."
        raise ArmError(400, "BadRequest", message)
    if known != "Default" and not zone.name.lower().startswith("privatelink."):
        message = f"The resolution policy {known} is for links to privatelink zones only."
        raise ArmError(400, "BadRequest", message)
    return known


def _zone(exchange: Exchange, kind: str) -> Resource:
    zone_id = parent_id(exchange.target.path)
    zone = exchange.cloud.resources.find(zone_id)
    if zone is None:
        raise parent_not_found("write", kind, zone_id)
    return zone


def _linked_network(exchange: Exchange, zone: Resource) -> Resource:
    network_id = (exchange.properties.get("virtualNetwork") or {}).get("id", "")
    network = exchange.cloud.resources.find(network_id)
    if network is None or network.type != NETWORK.lower():
        raise ArmError(400, "BadRequest", f"The virtual network '{network_id}' was not found.")
    exchange.require_linked(f"{NETWORK}/join/action", network.id)
    if exchange.existing is not None:
        before = exchange.existing.properties["virtualNetwork"]["id"]
        if before.lower() != network.id.lower():
            message = "The virtual network of a link cannot be changed."
            raise ArmError(400, "BadRequest", message)
        return network
    _refuse_overlap(exchange.cloud, zone, network)
    return network


def _refuse_overlap(cloud: Cloud, zone: Resource, network: Resource) -> None:
    for other in cloud.resources.of_type(LINK):
        other_zone_id = parent_id(other.id)
        same_network = other.properties["virtualNetwork"]["id"].lower() == network.id.lower()
        if same_network and other_zone_id.rsplit("/", 1)[1].lower() == zone.name.lower():
            message = (
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. "
                f"You tried to link virtual network '{network.id}' with '{zone.id}' and "
                f"'{other_zone_id}' zones."
            )
            raise ArmError(400, "BadRequest", message)


async def _delete_link(exchange: Exchange) -> Answer:
    link = exchange.existing
    return Answer(204) if link is None else _removed_later(exchange, link)


async def _put_record(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    zone, existing = _zone(exchange, RECORD), exchange.existing
    given = exchange.properties
    entries = given.get("aRecords") or []
    ttl = given.get("ttl")
    if not isinstance(ttl, int) or not entries or any("ipv4Address" not in e for e in entries):
        message = "The record set needs a TTL and at least one record with an ipv4Address."
        raise ArmError(400, "BadRequest", message)
    addresses = [entry["ipv4Address"] for entry in entries]
    name = existing.name if existing else exchange.target.name
    body = write_record(exchange.cloud, zone, name, addresses, ttl)
    if given.get("metadata"):
        body["properties"]["metadata"] = dict(given["metadata"])
    return Answer(200 if existing else 201, body, {"ETag": body["etag"], **_REMAINING})


async def _patch_record(exchange: Exchange) -> Answer:
    record = get(exchange, missing_network_child)
    given = exchange.properties
    for name in ("ttl", "metadata", "aRecords"):
        if name in given:
            record.properties[name] = given[name]
    record.body["etag"] = str(uuid.uuid4())
    exchange.cloud.resources.changed()
    return Answer(200, record.body, {"ETag": record.body["etag"], **_REMAINING})


async def _delete_record(exchange: Exchange) -> Answer:
    record = exchange.existing
    if record is None:
        return Answer(204, None, _REMAINING)
    check_preconditions(exchange)
    exchange.cloud.resources.remove(record.id)
    return Answer(200, None, _REMAINING)


async def _list_records(exchange: Exchange) -> Answer:
    zone = exchange.cloud.resources.find(exchange.target.parent_path)
    if zone is None:
        raise missing_by_gateway(exchange.target)
    bodies = [record.body for record in _children(exchange.cloud, zone, RECORD)]
    return Answer(200, {"value": bodies})


_READ_RECORDS = f"{ZONE}/ALL/read"

ROUTES = (
    Route("PUT", ZONE, _put_zone),
    Route("DELETE", ZONE, _delete_zone),
    *reading_routes(ZONE, missing_by_gateway, _shown_zone),
    Route("PUT", LINK, _put_link),
    Route("DELETE", LINK, _delete_link),
    *reading_routes(LINK, missing_network_child),
    Route("PUT", RECORD, _put_record),
    Route("PATCH", RECORD, _patch_record),
    Route("DELETE", RECORD, _delete_record),
    *reading_routes(RECORD, missing_network_child),
    Route("GET", f"{ZONE}/ALL", _list_records, "*", right=_READ_RECORDS),
    Route("GET", f"{ZONE}/recordsets", _list_records, "*", right=_READ_RECORDS),
)
