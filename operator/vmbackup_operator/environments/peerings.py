"""The home network's peering with the appliance's: how operator and command line get in."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.service import LOOK_AGAIN_S, Desired, Service, provisioned
from vmbackup_operator.naming import ArmId, same_id
from vmbackup_operator.reconciling.outcome import Failed, Outcome, Waiting


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield both directions; Azure connects them when each is there."""
    home, appliance = plan.home.network.virtual_network_id, plan.appliance_network_id
    if not plan.private or not plan.is_home or same_id(home, appliance):
        return
    key = plan.home.names.key
    yield from both_halves((home, f"vmb-to-appliance-{key}"), (appliance, f"vmb-to-home-{key}"))


def both_halves(own: tuple[ArmId, str], other: tuple[ArmId, str]) -> Iterator[Desired]:
    """Yield the peering of two networks; each is given with what its own half is called."""
    (network, name), (remote, back) = own, other
    there = _peering_id(network, name)
    yield Desired(there, _body(remote), needs=(network, remote))
    # While Azure is at one half, it refuses the other.
    yield Desired(
        _peering_id(remote, back), _body(network), needs=(network, remote), after=(there,)
    )


def _peering_id(network: ArmId, name: str) -> ArmId:
    return ArmId(f"{network}/virtualNetworkPeerings/{name}")


def _body(remote: ArmId) -> Body:
    return {
        "properties": {"remoteVirtualNetwork": {"id": remote}, "allowVirtualNetworkAccess": True}
    }


def judge(body: Body) -> Outcome:
    """Say whether the peering is connected."""
    name, state = text_at(body, "name"), text_at(body, "properties", "peeringState")
    match folded(state):
        case "connected":
            return provisioned(body)
        case "disconnected":
            # Azure connects it again only after both halves were deleted, one of them not by us.
            return Failed("PeeringDisconnected", f"peering {name}: delete both halves of it")
        case _:
            return Waiting(LOOK_AGAIN_S, f"peering {name} is {state or 'not known yet'}")


SERVICE = Service("Peering", "PeeringReady", desired, judge=judge)
