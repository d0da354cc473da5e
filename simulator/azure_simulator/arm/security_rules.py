"""Single rules of a network security group: each a resource of its own, shown in its group."""

from __future__ import annotations

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import weak_etag
from azure_simulator.arm.errors import parent_not_found
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.network_writes import (
    check_preconditions,
    frozen,
    not_busy,
    start_delete,
)
from azure_simulator.arm.networks import SECURITY_GROUP
from azure_simulator.arm.operations import NETWORK
from azure_simulator.arm.reading import missing_network_child, reading_routes
from azure_simulator.arm.security_groups import RULE, check_priorities, rule_body, show_rules
from azure_simulator.resources import Resource, parent_id

_SECONDS = 2.0
_FIRST_S = 10


def _group(exchange: Exchange) -> Resource:
    group_id = parent_id(exchange.target.path)
    group = exchange.cloud.resources.find(group_id)
    if group is None:
        raise parent_not_found("write", f"{SECURITY_GROUP}/securityRules", group_id)
    return group


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    cloud, group, existing = exchange.cloud, _group(exchange), exchange.existing
    not_busy(exchange, group)
    name = existing.name if existing else exchange.target.name
    body = rule_body(group.id, {**exchange.body, "name": name}, weak_etag())
    others = [r for r in group.properties["securityRules"] if r["id"].lower() != body["id"].lower()]
    check_priorities([*others, body])
    rule = Resource(body["id"], body)
    cloud.resources.put(rule)
    show_rules(cloud, group)

    async def work() -> None:
        _set_state(cloud, (rule, group), "Succeeded")

    region = group.body["location"]
    headers = exchange.start(NETWORK, work, region=region, seconds=_SECONDS, makes=rule)
    _set_state(cloud, (rule, group), "Updating")
    group.hidden["operation"] = headers["Azure-AsyncOperation"].partition("?")[0]
    headers["Retry-After"] = str(cloud.pace.retry_after(_FIRST_S))
    return Answer(200 if existing else 201, frozen(rule.body), headers)


def _set_state(cloud: Cloud, resources: tuple[Resource, ...], state: str) -> None:
    for resource in resources:
        resource.properties["provisioningState"] = state
        resource.body["etag"] = weak_etag()
    cloud.resources.changed()


async def _delete(exchange: Exchange) -> Answer:
    cloud, rule = exchange.cloud, exchange.existing
    group = cloud.resources.find(parent_id(exchange.target.path))
    if rule is None or group is None:
        return Answer(204)
    not_busy(exchange, group)

    async def finish() -> None:
        cloud.resources.remove(rule.id)
        show_rules(cloud, group)

    return start_delete(
        exchange, rule, region=group.body["location"], seconds=_SECONDS, finish=finish
    )


ROUTES = (
    Route("PUT", RULE, _put),
    Route("DELETE", RULE, _delete),
    *reading_routes(RULE, missing_network_child),
)
