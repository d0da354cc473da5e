"""The rules around workers: nothing comes in, and in a private network only HTTPS goes out."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.bodies import Body, Json
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.service import Desired, Service

# Behind every rule that a policy of the user's may add (up to 4096), before Azure's own (65000).
_LAST = 4096


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the group, where it is ours."""
    place = plan.place
    if not (place.network.owned and place.network.owns_network_security_group):
        return
    rules: list[Json] = [_rule("DenyInbound", "Inbound", "Deny", _LAST, "*", "*")]
    if plan.private:
        rules += [
            _rule("AllowHttpsInNetwork", "Outbound", "Allow", 100, "VirtualNetwork", "443"),
            _rule("DenyInternet", "Outbound", "Deny", _LAST, "Internet", "*"),
        ]
    yield Desired(
        place.network.network_security_group_id,
        {"location": place.region, "tags": {**plan.tags}, "properties": {"securityRules": rules}},
        needs=(place.resource_group_id,),
    )


def _rule(
    name: str, direction: str, access: str, priority: int, destination: str, port: str
) -> Body:
    return {
        "name": name,
        "properties": {
            "direction": direction,
            "access": access,
            "priority": priority,
            "protocol": "*" if port == "*" else "Tcp",
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": destination,
            "destinationPortRange": port,
        },
    }


SERVICE = Service("NetworkSecurityGroup", "NetworkReady", desired)
