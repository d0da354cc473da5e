"""The environment's own private DNS zones.

In a zone that networks share, an account's endpoints overwrite each other's record, and a network
can be linked to only one zone of a name: so each environment has its own, in its own group.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.plan import BLOB_ZONE, QUEUE_ZONE, Plan
from vmbackup_operator.environments.service import Desired, Service


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the environment's zones, and the home's to look at where that is another's."""
    if not plan.private:
        return
    for zone in (BLOB_ZONE, QUEUE_ZONE):
        yield Desired(
            plan.place.zone_id(zone),
            {"location": "global", "tags": {**plan.tags}},
            needs=(plan.place.resource_group_id,),
        )
    if not plan.is_home:
        yield Desired(plan.home.zone_id(BLOB_ZONE), None, absent="wait")


SERVICE = Service("PrivateDnsZone", "PrivateDnsReady", desired)
