"""Disk accesses as Resource Manager knows them."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm import address, encoded, ended, find, reading, writing
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import translated


class DiskAccessResources:
    """Looks at disk accesses and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def of_group(self, subscription_id: str, group: str) -> Sequence[Body]:
        """Return every disk access of a resource group."""
        accesses = self._clients.compute(subscription_id).disk_accesses
        with translated(f"listing disk accesses in {group}"):
            return [
                dict(access.as_dict()) async for access in accesses.list_by_resource_group(group)
            ]

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the disk access with its endpoints' states, or None."""
        at = address(resource_id)
        accesses = self._clients.compute(at.subscription_id).disk_accesses
        return await find(reading(resource_id), accesses.get(at.group, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the disk access to its end."""
        at = address(resource_id)
        accesses = self._clients.compute(at.subscription_id).disk_accesses
        call = accesses.begin_create_or_update(at.group, at.name, encoded(body))
        return await ended(writing(resource_id), call)
