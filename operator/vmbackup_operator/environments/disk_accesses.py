"""Disk accesses: how snapshots are exported into the worker's network; ensured by sessions."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments import outposts
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.peerings import SERVICE as PEERINGS
from vmbackup_operator.environments.plan import Plan, Way
from vmbackup_operator.environments.private_endpoints import SERVICE as ENDPOINTS
from vmbackup_operator.environments.private_endpoints import endpoint
from vmbackup_operator.environments.service import Desired, Service
from vmbackup_operator.environments.virtual_networks import SERVICE as NETWORKS
from vmbackup_operator.environments.zone_groups import SERVICE as ZONE_GROUPS
from vmbackup_operator.environments.zone_groups import zone_group

CONDITION = "DiskAccessReady"


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the disk access that the plan names."""
    if plan.disk_access is not None:
        body: Body = {"location": plan.place.region, "tags": {**plan.tags}}
        needs = () if plan.outpost is None else (plan.outpost.resource_group_id,)
        yield Desired(plan.disk_access, body, needs)


def _ways(plan: Plan) -> Iterator[Way]:
    if plan.disk_access is not None:
        yield Way(plan.outpost or plan.place, plan.disk_access, "disks")


def _endpoints(plan: Plan) -> Iterator[Desired]:
    for way in _ways(plan):
        yield endpoint(plan, way)


def _zone_groups(plan: Plan) -> Iterator[Desired]:
    for way in _ways(plan):
        yield zone_group(plan, way)


#: One disk access with its way in; an environment of its own small kind. What is in another
#: subscription has its network there, too.
TABLE: tuple[Service, ...] = (
    Service("ResourceGroup", CONDITION, outposts.groups),
    Service("VirtualNetwork", CONDITION, outposts.networks, compare=NETWORKS.compare),
    Service("Peering", CONDITION, outposts.peerings, judge=PEERINGS.judge),
    Service("DiskAccess", CONDITION, desired),
    Service(
        "PrivateEndpoint", CONDITION, _endpoints, compare=ENDPOINTS.compare, judge=ENDPOINTS.judge
    ),
    Service("PrivateDnsZoneGroup", CONDITION, _zone_groups, judge=ZONE_GROUPS.judge),
)
