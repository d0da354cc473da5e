"""What the appliance has in another subscription, so that workers reach disk accesses there.

Azure lets a disk access be used by snapshots of its own subscription, and be reached from one
network of that subscription. So beside it there is a network with nothing but its endpoints, which
is peered with the workers' network; records are in the zone that the workers ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.addresses import choose_ranges
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.peerings import both_halves
from vmbackup_operator.environments.plan import ENDPOINT_SUBNET, Outpost, Place, Plan
from vmbackup_operator.environments.ports import ResourceManager
from vmbackup_operator.environments.service import Desired
from vmbackup_operator.environments.virtual_networks import prefixes_in_reach, range_around
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.settings import Settings


async def find_outpost(
    settings: Settings, manager: ResourceManager, workers: Place, subscription_id: str
) -> tuple[Outpost, dict[ArmId, Body]]:
    """Return where the disk accesses of that subscription are for the *workers*, and what was read.

    Its range is what was chosen when its network was made, else one that overlaps nothing that the
    workers' network can reach.
    """
    _, group = settings.snapshot_group(subscription_id)
    names = environment_names(settings.appliance.id, subscription_id, workers.region)
    outpost = Outpost(workers, subscription_id, group, names, "", "")
    network_id = outpost.virtual_network_id
    network = await manager.find("VirtualNetwork", network_id)
    chosen = None if network is None else range_around(network, ENDPOINT_SUBNET)
    if chosen is None:
        chosen = await _choose(settings, manager, outpost)
    looked_at = {} if network is None else {network_id: network}
    return replace(outpost, network_range=chosen[0], endpoints_range=chosen[1]), looked_at


async def _choose(
    settings: Settings, manager: ResourceManager, outpost: Outpost
) -> tuple[str, str]:
    own = await manager.find("VirtualNetwork", outpost.workers.virtual_network_id)
    if own is None:
        raise PermanentError(
            f"the workers' network {outpost.workers.virtual_network_id} does not exist",
            reason="VirtualNetworkNotFound",
        )
    pool = settings.region_environments.address_pool
    ranges = choose_ranges(pool, outpost.names.key, prefixes_in_reach(own))
    return ranges.network, ranges.endpoints


def groups(plan: Plan) -> Iterator[Desired]:
    """Yield the group that the administrator made there; it is only looked at."""
    if plan.outpost is not None:
        yield Desired(plan.outpost.resource_group_id, None)


def networks(plan: Plan) -> Iterator[Desired]:
    """Yield the network of the endpoints there."""
    outpost = plan.outpost
    if outpost is None:
        return
    endpoints: Body = {
        "addressPrefix": outpost.endpoints_range,
        "privateEndpointNetworkPolicies": "Disabled",  # as disk accesses ask for
        "defaultOutboundAccess": False,
    }
    body: Body = {
        "location": outpost.region,
        "tags": {**plan.tags},
        "properties": {
            "addressSpace": {"addressPrefixes": [outpost.network_range]},
            "subnets": [{"name": ENDPOINT_SUBNET, "properties": endpoints}],
        },
    }
    yield Desired(outpost.virtual_network_id, body, needs=(outpost.resource_group_id,))


def peerings(plan: Plan) -> Iterator[Desired]:
    """Yield both halves of the peering with the workers' network."""
    outpost = plan.outpost
    if outpost is None:
        return
    workers = outpost.workers
    yield from both_halves(
        (workers.virtual_network_id, f"vmb-to-outpost-{outpost.names.key}"),
        (outpost.virtual_network_id, f"vmb-to-workers-{workers.names.key}"),
    )
