"""Which networks ask the environment's zones: its own, and for the home also the appliance's."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.plan import BLOB_ZONE, QUEUE_ZONE, Plan
from vmbackup_operator.environments.service import LOOK_AGAIN_S, Desired, Service, provisioned
from vmbackup_operator.naming import ArmId, digest, same_id
from vmbackup_operator.reconciling.outcome import Outcome, Waiting


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield a link of each zone to each network."""
    if not plan.private:
        return
    own = plan.place.network.virtual_network_id
    networks = [own]
    if plan.is_home and not same_id(own, plan.appliance_network_id):
        networks.append(plan.appliance_network_id)
    for zone in (BLOB_ZONE, QUEUE_ZONE):
        zone_id = plan.place.zone_id(zone)
        for network in networks:
            yield _link(plan, zone_id, network)


def _link(plan: Plan, zone_id: ArmId, network: ArmId) -> Desired:
    name = f"vmb-{digest('link', network.lower()).hex()[:12]}"
    body: Body = {
        "location": "global",
        "tags": {**plan.tags},
        "properties": {"virtualNetwork": {"id": network}, "registrationEnabled": False},
    }
    needs = (zone_id, network)
    return Desired(ArmId(f"{zone_id}/virtualNetworkLinks/{name}"), body, needs)


def judge(body: Body) -> Outcome:
    """Say whether the network asks the zone already."""
    state = text_at(body, "properties", "virtualNetworkLinkState")
    if state and state.lower() != "completed":
        return Waiting(LOOK_AGAIN_S, f"link {text_at(body, 'name')} is {state}")
    return provisioned(body)


SERVICE = Service("VirtualNetworkLink", "PrivateDnsReady", desired, judge=judge)
