"""The environment's resource group: a zone's name is unique in one, so each has its own."""

from __future__ import annotations

from collections.abc import Iterator

from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.service import Desired, Service


def desired(plan: Plan) -> Iterator[Desired]:
    """Yield the resource group."""
    place = plan.place
    yield Desired(place.resource_group_id, {"location": place.region, "tags": {**plan.tags}})


SERVICE = Service("ResourceGroup", "ResourceGroupReady", desired)
