"""Resource Manager as environments see it: any kind of resource, with operations in between."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.ports import Kind, ResourceManager, SealedKind
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.operations import Operations


class AzureResourceManager(ResourceManager):
    """Azure Resource Manager, for a region's resources."""

    def __init__(self, resources: ArmResources, operations: Operations) -> None:
        self._resources = resources
        self._operations = operations

    @override
    async def find(self, kind: Kind, resource_id: ArmId) -> Body | None:
        if kind in {"PrivateEndpoint", "DiskAccess"}:
            # A region has many of them, and all are looked at together.
            return await self._resources.find_listed(kind, resource_id)
        return await self._resources.find(kind, resource_id)

    @override
    async def put(self, kind: Kind, resource_id: ArmId, body: Body) -> Body | None:
        return await self._operations.advance(
            _key(resource_id), lambda: self._resources.put(kind, resource_id, body)
        )

    @override
    def under_way(self, resource_id: ArmId) -> bool:
        return self._operations.under_way(_key(resource_id))

    @override
    async def storage_accounts(self, subscription_id: str) -> Sequence[Body]:
        return await self._resources.storage_accounts(subscription_id)

    @override
    async def sealed(
        self, kind: SealedKind, subscription_id: str, resource_group: str
    ) -> Sequence[Body]:
        return await self._resources.of_group(kind, subscription_id, resource_group)


def _key(resource_id: ArmId) -> str:
    return f"put {folded(resource_id)}"
