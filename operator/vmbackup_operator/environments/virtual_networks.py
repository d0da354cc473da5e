"""The environment's network with its two subnets, or the user's own, which is only looked at."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.addresses import Ranges, overlapping, split_range
from vmbackup_operator.environments.bodies import (
    Body,
    Json,
    bodies_at,
    body_at,
    named,
    text_at,
    texts_at,
)
from vmbackup_operator.environments.differences import differing
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


def range_around(network: Body, subnet: str) -> tuple[str, str] | None:
    """Return which range of *network* the subnet is in, and its own; None where it has none."""
    held = _prefixes(named(bodies_at(network, "properties", "subnets"), subnet) or {})
    if not held:
        return None
    prefixes = texts_at(network, "properties", "addressSpace", "addressPrefixes")
    return next((each, held[0]) for each in prefixes if overlapping((each,), held))


def ranges_of(network: Body) -> Ranges | None:
    """Return the ranges that were chosen when *network* was made, or None where it has none."""
    prefixes = texts_at(network, "properties", "addressSpace", "addressPrefixes")
    if not prefixes:
        return None
    subnets = bodies_at(network, "properties", "subnets")
    workers = _prefixes(named(subnets, WORKER_SUBNET) or {})
    endpoints = _prefixes(named(subnets, ENDPOINT_SUBNET) or {})
    if not (workers and endpoints):
        return split_range(prefixes[0])
    # Somebody may have added ranges, before ours too: ours is the one that the workers are in.
    own = next((prefix for prefix in prefixes if overlapping((prefix,), workers)), prefixes[0])
    return Ranges(own, workers[0], endpoints[0])


def _prefixes(subnet: Body) -> tuple[str, ...]:
    """Return the subnet's ranges: Azure writes one, and several, under different names."""
    one = text_at(subnet, "properties", "addressPrefix")
    return (one,) if one else texts_at(subnet, "properties", "addressPrefixes")


def compare(desired: Body, existing: Body) -> Body | None:
    """Return what to send; what others made larger or stricter in a subnet stays."""
    held = bodies_at(existing, "properties", "subnets")
    wanted: list[Json] = [
        _as_held(subnet, named(held, text_at(subnet, "name")))
        for subnet in bodies_at(desired, "properties", "subnets")
    ]
    properties = {**body_at(desired, "properties"), "subnets": wanted}
    return differing({**desired, "properties": properties}, existing)


def _as_held(subnet: Body, held: Body | None) -> Body:
    """Return the wanted *subnet* in the words of the one that is there."""
    if held is None:
        return subnet
    properties = body_at(subnet, "properties")
    if texts_at(held, "properties", "addressPrefixes"):
        properties = {**properties, "addressPrefixes": [properties["addressPrefix"]]}
        del properties["addressPrefix"]
    # A company's rules may hold for endpoints too, or have closed Azure's own way out.
    kept = {"privateEndpointNetworkPolicies", "defaultOutboundAccess"}
    loose = {key for key in kept & properties.keys() if _is_stricter(key, held, properties[key])}
    return {**subnet, "properties": {k: v for k, v in properties.items() if k not in loose}}


def _is_stricter(key: str, held: Body, wanted: Json) -> bool:
    found = body_at(held, "properties").get(key)
    return found is not None and wanted in (True, "Disabled") and found != wanted


def prefixes_in_reach(network: Body) -> tuple[str, ...]:
    """Return the ranges of *network* and of every network that is peered with it."""
    peerings = bodies_at(network, "properties", "virtualNetworkPeerings")
    remote = (
        prefix
        for peering in peerings
        for prefix in texts_at(peering, "properties", "remoteAddressSpace", "addressPrefixes")
    )
    return (*texts_at(network, "properties", "addressSpace", "addressPrefixes"), *remote)


SERVICE = Service("VirtualNetwork", "NetworkReady", desired, compare)
