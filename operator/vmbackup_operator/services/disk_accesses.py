"""Disk accesses as sessions see them: the region's, with their private endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, bodies_at, text_at
from vmbackup_operator.environments.regions import Environments
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.sessions.region_ports import DiskAccesses
from vmbackup_operator.sessions.seen import DiskAccessSeen, Region


class AzureDiskAccesses(DiskAccesses):
    """The appliance's disk accesses, which are so by their computed names in the region's group."""

    def __init__(self, resources: ArmResources, regions: Environments, appliance_id: str) -> None:
        self._resources = resources
        self._regions = regions
        self._appliance_id = appliance_id

    @override
    async def of_region(self, region: Region) -> Sequence[DiskAccessSeen]:
        found = await self._resources.of_group(
            "DiskAccess", region.subscription_id, region.resource_group
        )
        names = environment_names(self._appliance_id, region.subscription_id, region.region)
        ours = [body for body in found if names.is_disk_access(text_at(body, "name"))]
        ours.sort(key=lambda body: text_at(body, "name"))
        return [DiskAccessSeen(ArmId(text_at(body, "id")), _approved(body)) for body in ours]

    @override
    async def ensure(self, region: Region, access: ArmId) -> DiskAccessSeen:
        report = await self._regions.ensure_disk_access(
            region.subscription_id, region.region, access
        )
        match report.outcome:
            case Failed(reason=reason, message=message):
                raise PermanentError(message, reason=reason)
            case Waiting() as waiting:
                return DiskAccessSeen(access, ready=False, waiting=waiting)
            case Done():
                return DiskAccessSeen(access, ready=True)


def _approved(body: Body) -> bool:
    """Tell whether an endpoint leads to the disk access and may; its record came with it."""
    path = ("properties", "privateLinkServiceConnectionState", "status")
    return folded(text_at(body, "properties", "provisioningState")) in {"", "succeeded"} and any(
        folded(text_at(connection, *path)) == "approved"
        for connection in bodies_at(body, "properties", "privateEndpointConnections")
    )
