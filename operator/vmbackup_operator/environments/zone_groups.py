"""The zone groups: Azure keeps an endpoint's records in our zone, so that we write none."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.plan import ZONE_OF_GROUP, Plan, Way
from vmbackup_operator.environments.service import Desired, Service
from vmbackup_operator.naming import ArmId


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the zone group of every endpoint."""
    for way in plan.ways():
        yield zone_group(plan, way)


def zone_group(plan: Plan, way: Way) -> Desired:
    """Return the zone group of *way*'s endpoint."""
    config: Body = {
        "name": ZONE_OF_GROUP[way.group].replace(".", "-"),
        "properties": {"privateDnsZoneId": way.zone_id},
    }
    return Desired(
        ArmId(f"{way.endpoint_id}/privateDnsZoneGroups/default"),
        {"properties": {"privateDnsZoneConfigs": [config]}},
        needs=(way.endpoint_id, way.zone_id),
        account=plan.account_behind(way),
    )


SERVICE = Service("PrivateDnsZoneGroup", "PrivateDnsReady", desired)
