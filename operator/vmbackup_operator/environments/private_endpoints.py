"""The private endpoints: own account, home queue, repositories, disk accesses; and approvals."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, Json, bodies_at, text_at
from vmbackup_operator.environments.differences import differing
from vmbackup_operator.environments.plan import Plan, Way
from vmbackup_operator.environments.service import LOOK_AGAIN_S, Desired, Service, provisioned
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Done, Failed, Outcome, Waiting

# Somebody has to look at a portal: asking more often than this helps nobody.
_APPROVAL_S = 30.0

_CONNECTIONS = ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield an endpoint for every way that is owed."""
    for way in plan.ways():
        yield endpoint(plan, way)


def endpoint(plan: Plan, way: Way) -> Desired:
    """Return the endpoint that opens *way*."""
    by_hand = way.endpoint_id in plan.by_hand
    connection: Body = {"privateLinkServiceId": way.target, "groupIds": [way.group]}
    if by_hand:
        connection["requestMessage"] = f"vmbackup, appliance {plan.ownership.appliance_id}"
    listed: list[Json] = [{"name": way.group, "properties": connection}]
    body: Body = {
        "location": way.owner.region,
        "tags": {**plan.tags},
        "properties": {
            "subnet": {"id": way.owner.endpoint_subnet_id},
            _CONNECTIONS[by_hand]: listed,
        },
    }
    needs = (way.owner.resource_group_id, way.owner.virtual_network_id, way.target)
    return Desired(way.endpoint_id, body, needs, account=plan.account_behind(way))


def compare(desired: Body, existing: Body) -> Body | None:
    """Return what to send; a connection that is there stays, whichever way it was asked for."""
    if not connections(existing):
        return differing(desired, existing)
    properties = desired["properties"]
    subnet = properties.get("subnet") if isinstance(properties, dict) else None
    wanted: Body = {"tags": desired["tags"], "properties": {"subnet": subnet}}
    return differing(wanted, existing)


def connections(body: Body) -> list[Body]:
    """Return the endpoint's connections, asked for either way."""
    return [item for key in _CONNECTIONS for item in bodies_at(body, "properties", key)]


def judge(body: Body) -> Outcome:
    """Say whether the endpoint stands and its connections are approved."""
    standing = provisioned(body)
    if not isinstance(standing, Done):
        return standing
    for connection in connections(body):
        verdict = _judge_connection(text_at(body, "id"), connection)
        if not isinstance(verdict, Done):
            return verdict
    return Done()


def _judge_connection(endpoint_id: str, connection: Body) -> Outcome:
    target = text_at(connection, "properties", "privateLinkServiceId")
    state = text_at(connection, "properties", "privateLinkServiceConnectionState", "status")
    named = f"endpoint {name_of(ArmId(endpoint_id))} to {name_of(ArmId(target))}"
    match folded(state):
        case "approved":
            return Done()
        case "pending":
            message = f"{named} waits for approval by the owner of {target}"
            return Waiting(_APPROVAL_S, message, reason="ApprovalPending")
        case "rejected":
            message = f"{named} was rejected by the owner of {target}"
            return Failed("EndpointRejected", f"{message}: {_again(endpoint_id)}")
        case "disconnected":
            message = f"{named} is disconnected"
            return Failed("EndpointDisconnected", f"{message}: {_again(endpoint_id)}")
        case _:
            return Waiting(LOOK_AGAIN_S, f"{named} is {state or 'not known yet'}")


def _again(endpoint_id: str) -> str:
    return f"delete {endpoint_id}; it is made again"


SERVICE = Service("PrivateEndpoint", "PrivateEndpointsReady", desired, compare, judge)
