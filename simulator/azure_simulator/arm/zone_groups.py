"""Zone groups: what makes a private endpoint keep its records in private DNS zones."""

from __future__ import annotations

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import weak_etag
from azure_simulator.arm.connections import ENDPOINT
from azure_simulator.arm.errors import ArmError, invalid_reference, parent_not_found
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.network_writes import (
    check_preconditions,
    not_busy,
    provisioned,
    start_delete,
    start_write,
)
from azure_simulator.arm.reading import missing_network_child, reading_routes
from azure_simulator.arm.records import GROUP_KIND as KIND
from azure_simulator.arm.records import ZONE, publish, withdraw_group, zone_groups_of
from azure_simulator.resources import Body, Resource, parent_id

_SECONDS = 8.0
_MOST_ZONES = 5


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    cloud, existing = exchange.cloud, exchange.existing
    endpoint = _endpoint(exchange)
    not_busy(exchange, endpoint)
    not_busy(exchange, existing)
    provisioned(endpoint, exchange.target.path)
    others = [g for g in zone_groups_of(cloud, endpoint) if existing is None or g.id != existing.id]
    if others:
        message = f"Private endpoint {endpoint.id} already has the zone group {others[0].name}."
        raise ArmError(400, "PrivateDnsZoneGroupCountInvalid", message, details=[])
    group_id = (
        existing.id if existing else f"{endpoint.id}/privateDnsZoneGroups/{exchange.target.name}"
    )
    etag = weak_etag()
    body: Body = {
        "name": group_id.rsplit("/", 1)[1],
        "id": group_id,
        "etag": etag,
        "type": KIND,
        "properties": {
            "provisioningState": "Updating",
            "privateDnsZoneConfigs": _configs(exchange, group_id, etag),
        },
    }
    if existing is not None:
        withdraw_group(cloud, existing)
    group = Resource(group_id, body, existing.hidden if existing else {})
    publish(cloud, endpoint, group, "Updating")

    async def finish() -> None:
        publish(cloud, endpoint, group, "Succeeded")

    answer = start_write(
        exchange,
        group,
        created=existing is None,
        region=endpoint.body["location"],
        first=10,
        seconds=_SECONDS,
        finish=finish,
    )
    del group.properties["resourceGuid"]  # zone groups have none
    del answer.body["properties"]["resourceGuid"]
    return answer


def _endpoint(exchange: Exchange) -> Resource:
    endpoint_id = parent_id(exchange.target.path)
    endpoint = exchange.cloud.resources.find(endpoint_id)
    if endpoint is None or endpoint.type != ENDPOINT.lower():
        raise parent_not_found("write", KIND, endpoint_id)
    return endpoint


def _configs(exchange: Exchange, group_id: str, etag: str) -> list[Body]:
    given = exchange.properties.get("privateDnsZoneConfigs") or []
    if not 0 < len(given) <= _MOST_ZONES:
        message = f"A zone group has 1 to {_MOST_ZONES} private DNS zones."
        raise ArmError(400, "PrivateDnsZoneGroupInvalid", message, details=[])
    configs = []
    for config in given:
        zone_id = (config.get("properties") or {}).get("privateDnsZoneId", "")
        zone = exchange.cloud.resources.find(zone_id)
        if zone is None or zone.type != ZONE.lower():
            raise invalid_reference(zone_id, group_id)
        exchange.require_linked(f"{ZONE}/join/action", zone.id)
        configs.append(
            {
                "name": config["name"],
                "id": f"{group_id}/privateDnsZoneConfigs/{config['name']}",
                "etag": etag,
                "type": f"{KIND}/privateDnsZoneConfigs",
                "properties": {"provisioningState": "Updating", "privateDnsZoneId": zone.id},
            }
        )
    return configs


async def _delete(exchange: Exchange) -> Answer:
    cloud, group = exchange.cloud, exchange.existing
    endpoint = cloud.resources.find(parent_id(exchange.target.path))
    if group is None or endpoint is None:
        return Answer(204)
    not_busy(exchange, group)

    async def finish() -> None:
        withdraw_group(cloud, group)
        cloud.resources.remove(group.id)

    return start_delete(
        exchange, group, region=endpoint.body["location"], seconds=_SECONDS, finish=finish
    )


ROUTES = (
    Route("PUT", KIND, _put),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, missing_network_child),
)
