"""Disk accesses: how snapshots are exported into the worker's network; ensured by sessions."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.plan import Plan, Way
from vmbackup_operator.environments.private_endpoints import SERVICE as ENDPOINTS
from vmbackup_operator.environments.private_endpoints import endpoint
from vmbackup_operator.environments.service import Desired, Service
from vmbackup_operator.environments.zone_groups import SERVICE as ZONE_GROUPS
from vmbackup_operator.environments.zone_groups import zone_group

CONDITION = "DiskAccessReady"


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the disk access that the plan names."""
    if plan.disk_access is not None:
        yield Desired(plan.disk_access, {"location": plan.place.region, "tags": {**plan.tags}})


def _endpoints(plan: Plan) -> Iterator[Desired]:
    if plan.disk_access is not None:
        yield endpoint(plan, Way(plan.place, plan.disk_access, "disks"))


def _zone_groups(plan: Plan) -> Iterator[Desired]:
    if plan.disk_access is not None:
        yield zone_group(plan, Way(plan.place, plan.disk_access, "disks"))


#: One disk access with its way in; an environment of its own small kind.
TABLE: tuple[Service, ...] = (
    Service("DiskAccess", CONDITION, desired),
    Service(
        "PrivateEndpoint", CONDITION, _endpoints, compare=ENDPOINTS.compare, judge=ENDPOINTS.judge
    ),
    Service("PrivateDnsZoneGroup", CONDITION, _zone_groups, judge=ZONE_GROUPS.judge),
)
