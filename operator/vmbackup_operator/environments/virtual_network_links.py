"""Which networks ask the environment's zones: its own, and for the home also the appliance's.

A network that asks a zone gets no answer for names that the zone has no record of, and a zone for
storage is about every account in the world. Where the network is not ours, such names are asked for
publicly (`NxDomainRedirect`): else who works there would lose the accounts of others.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.plan import BLOB_ZONE, QUEUE_ZONE, Plan
from vmbackup_operator.environments.service import LOOK_AGAIN_S, Desired, Service, provisioned
from vmbackup_operator.naming import ArmId, digest, name_of, same_id
from vmbackup_operator.reconciling.outcome import Failed, Outcome, Waiting

# Azure has no code of its own for it.
_OVERLAPS = "overlapping namespaces"


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
    name = f"vmb-{digest('link', folded(network)).hex()[:12]}"
    place = plan.place.network
    is_ours = place.owned and same_id(network, place.virtual_network_id)
    body: Body = {
        "location": "global",
        "tags": {**plan.tags},
        "properties": {
            "virtualNetwork": {"id": network},
            "registrationEnabled": False,
            "resolutionPolicy": "Default" if is_ours else "NxDomainRedirect",
        },
    }
    needs = (zone_id, network)
    return Desired(ArmId(f"{zone_id}/virtualNetworkLinks/{name}"), body, needs)


def judge(body: Body) -> Outcome:
    """Say whether the network asks the zone already."""
    state = text_at(body, "properties", "virtualNetworkLinkState")
    if state and folded(state) != "completed":
        return Waiting(LOOK_AGAIN_S, f"link {text_at(body, 'name')} is {state}")
    return provisioned(body)


def refused(desired: Desired, error: PermanentError) -> Outcome:
    """Say what follows from a refusal, in our words where the network asks such a zone already."""
    if _OVERLAPS not in folded(str(error)):
        return Failed(error.reason, str(error))
    properties = {} if desired.body is None else desired.body
    network = name_of(ArmId(text_at(properties, "properties", "virtualNetwork", "id")))
    zone = desired.id.split("/")[-3]
    return Failed(
        "ZoneAlreadyAsked",
        f"network {network} already asks another zone called {zone}, and Azure lets it ask only"
        f" one: remove that link, or use a network without one ({error})",
    )


SERVICE = Service("VirtualNetworkLink", "PrivateDnsReady", desired, judge=judge, refused=refused)
