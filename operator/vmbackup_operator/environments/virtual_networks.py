"""The environment's network with its two subnets, or the user's own, which is only looked at."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.addresses import Ranges, split_range
from vmbackup_operator.environments.bodies import Body, bodies_at, named, text_at, texts_at
from vmbackup_operator.environments.plan import ENDPOINT_SUBNET, WORKER_SUBNET, Plan
from vmbackup_operator.environments.service import Desired, Service


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the environment's network, and the home network where that is another's."""
    network = plan.place.network
    if network.ranges is None:
        yield Desired(network.virtual_network_id, None)
    else:
        yield Desired(
            network.virtual_network_id,
            _body(plan, network.ranges),
            needs=(plan.place.resource_group_id, network.network_security_group_id),
        )
    if plan.private and not plan.is_home:
        yield Desired(plan.home.network.virtual_network_id, None, absent="wait")


def _body(plan: Plan, ranges: Ranges) -> Body:
    network = plan.place.network
    workers: Body = {
        "addressPrefix": ranges.workers,
        "networkSecurityGroup": {"id": network.network_security_group_id},
        # Private workers reach endpoints only; public ones need Azure's way out.
        "defaultOutboundAccess": not plan.private,
    }
    endpoints: Body = {
        "addressPrefix": ranges.endpoints,
        "privateEndpointNetworkPolicies": "Disabled",  # as disk accesses ask for
        "defaultOutboundAccess": False,
    }
    return {
        "location": plan.place.region,
        "tags": {**plan.tags},
        "properties": {
            "addressSpace": {"addressPrefixes": [ranges.network]},
            "subnets": [
                {"name": WORKER_SUBNET, "properties": workers},
                {"name": ENDPOINT_SUBNET, "properties": endpoints},
            ],
        },
    }


def ranges_of(network: Body) -> Ranges | None:
    """Return the ranges that were chosen when *network* was made, or None where it has none."""
    prefixes = texts_at(network, "properties", "addressSpace", "addressPrefixes")
    if not prefixes:
        return None
    subnets = bodies_at(network, "properties", "subnets")
    workers = text_at(named(subnets, WORKER_SUBNET) or {}, "properties", "addressPrefix")
    endpoints = text_at(named(subnets, ENDPOINT_SUBNET) or {}, "properties", "addressPrefix")
    if workers and endpoints:
        return Ranges(prefixes[0], workers, endpoints)
    return split_range(prefixes[0])


def prefixes_in_reach(network: Body) -> tuple[str, ...]:
    """Return the ranges of *network* and of every network that is peered with it."""
    peerings = bodies_at(network, "properties", "virtualNetworkPeerings")
    remote = (
        prefix
        for peering in peerings
        for prefix in texts_at(peering, "properties", "remoteAddressSpace", "addressPrefixes")
    )
    return (*texts_at(network, "properties", "addressSpace", "addressPrefixes"), *remote)


SERVICE = Service("VirtualNetwork", "NetworkReady", desired)
