"""Network security groups: kept and shown; what reaches what is decided by private endpoints."""

from __future__ import annotations

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, weak_etag
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.network_writes import (
    check_preconditions,
    not_busy,
    start_delete,
    start_write,
)
from azure_simulator.arm.networks import SECURITY_GROUP as KIND
from azure_simulator.arm.networks import SUBNET
from azure_simulator.arm.reading import get, missing_by_gateway, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource

RULE = f"{KIND}/securityRules"

_SECONDS = 2.0
_PRIORITIES = range(100, 4097)
_INTERFACE = "Microsoft.Network/networkInterfaces"

_DEFAULTS = (
    ("AllowVnetInBound", "VirtualNetwork", "VirtualNetwork", "Allow", 65000, "Inbound"),
    ("AllowAzureLoadBalancerInBound", "AzureLoadBalancer", "*", "Allow", 65001, "Inbound"),
    ("DenyAllInBound", "*", "*", "Deny", 65500, "Inbound"),
    ("AllowVnetOutBound", "VirtualNetwork", "VirtualNetwork", "Allow", 65000, "Outbound"),
    ("AllowInternetOutBound", "*", "Internet", "Allow", 65001, "Outbound"),
    ("DenyAllOutBound", "*", "*", "Deny", 65500, "Outbound"),
)
_PLURALS = (
    "sourcePortRanges",
    "destinationPortRanges",
    "sourceAddressPrefixes",
    "destinationAddressPrefixes",
)


def _default_rules(group_id: str, etag: str) -> list[Body]:
    return [
        {
            "name": name,
            "id": f"{group_id}/defaultSecurityRules/{name}",
            "etag": etag,
            "type": f"{KIND}/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded",
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": direction,
                **{plural: [] for plural in _PLURALS},
            },
        }
        for name, source, destination, access, priority, direction in _DEFAULTS
    ]


def rule_body(group_id: str, given: Body, etag: str) -> Body:
    """Return a rule of the group *group_id* as *given* describes it, or refuse it."""
    wanted = given.get("properties") or {}
    for required in ("protocol", "access", "priority", "direction"):
        if required not in wanted:
            message = f"Security rule '{given.get('name')}' has no {required}."
            raise ArmError(400, "SecurityRuleInvalid", message, details=[])
    if wanted["priority"] not in _PRIORITIES:
        message = (
            f"Security rule has invalid Priority. Value provided: {wanted['priority']} Allowed "
            f"range {_PRIORITIES[0]}-{_PRIORITIES[-1]}."
        )
        raise ArmError(400, "SecurityRuleInvalidPriority", message, details=[])
    return {
        "name": given["name"],
        "id": f"{group_id}/securityRules/{given['name']}",
        "etag": etag,
        "type": RULE,
        "properties": {
            **wanted,
            "provisioningState": "Succeeded",
            **{plural: wanted.get(plural, []) for plural in _PLURALS},
        },
    }


def check_priorities(rules: list[Body]) -> None:
    """Refuse two of *rules* that have one place."""
    seen: set[tuple[str, int]] = set()
    for rule in rules:
        place = (rule["properties"]["direction"], rule["properties"]["priority"])
        if place in seen:
            message = f"Security rule {rule['name']} has a priority and direction that another has."
            raise ArmError(400, "SecurityRuleConflict", message, details=[])
        seen.add(place)


def show_rules(cloud: Cloud, group: Resource) -> None:
    """Show a group's own rules in its body."""
    rules = [r.body for r in cloud.resources.under(group.id) if r.type == RULE.lower()]
    group.properties["securityRules"] = rules
    cloud.resources.changed()


def _replace_rules(cloud: Cloud, group_id: str, rules: list[Body]) -> None:
    for old in [r for r in cloud.resources.under(group_id) if r.type == RULE.lower()]:
        cloud.resources.remove(old.id)
    for rule in rules:
        cloud.resources.put(Resource(rule["id"], rule))


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    existing = exchange.existing
    not_busy(exchange, existing)
    body = envelope(exchange, KIND)
    etag = weak_etag()
    given = exchange.properties.get("securityRules") or []
    rules = [rule_body(body["id"], rule, etag) for rule in given]
    check_priorities(rules)
    body["etag"] = etag
    body["properties"] = {
        "provisioningState": "Updating",
        "securityRules": rules,
        "defaultSecurityRules": _default_rules(body["id"], etag),
    }
    if existing is not None:
        body["properties"]["resourceGuid"] = existing.properties["resourceGuid"]
    resource = Resource(body["id"], body, existing.hidden if existing else {})
    _replace_rules(exchange.cloud, resource.id, rules)
    return start_write(
        exchange,
        resource,
        created=existing is None,
        region=body["location"],
        first=1,
        seconds=_SECONDS,
    )


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, missing_by_gateway)
    not_busy(exchange, resource)
    resource.body["tags"] = tags_of(exchange.body)
    resource.body["etag"] = weak_etag()
    return Answer(200, resource.body)


def _users(cloud: Cloud, group: Resource) -> list[str]:
    return [
        user.id
        for kind in (SUBNET, _INTERFACE)
        for user in cloud.resources.of_type(kind)
        if (user.properties.get("networkSecurityGroup") or {}).get("id", "").lower()
        == group.id.lower()
    ]


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    not_busy(exchange, resource)
    users = _users(cloud, resource)
    if users:
        message = (
            f"Network security group {resource.id} cannot be deleted because it is in use by the "
            f"following resources: {', '.join(users)}."
        )
        raise ArmError(400, "InUseNetworkSecurityGroupCannotBeDeleted", message, details=[])

    async def finish() -> None:
        cloud.resources.remove(resource.id)

    return start_delete(
        exchange, resource, region=resource.body["location"], seconds=_SECONDS, finish=finish
    )


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND),
)
