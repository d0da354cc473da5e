"""Resource Manager as environments see it: one adapter per kind, and operations in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from typing_extensions import override

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.ports import Kind
from vmbackup_operator.environments.ports import ResourceManager as ResourceManagerPort
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.disk_access_resources import DiskAccessResources
from vmbackup_operator.services.networks import NetworkSecurityGroups, Peerings, VirtualNetworks
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.private_dns import PrivateZones, VirtualNetworkLinks
from vmbackup_operator.services.private_endpoints import PrivateEndpoints, ZoneGroups
from vmbackup_operator.services.resource_groups import ResourceGroups
from vmbackup_operator.services.storage_accounts import BlobContainers, StorageAccounts


class Adapter(Protocol):
    """One kind of resource."""

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the resource, or None where there is none."""

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the resource, and return it when Azure has finished."""


class ResourceManager(ResourceManagerPort):
    """Azure Resource Manager, kind by kind."""

    def __init__(self, clients: Clients, operations: Operations) -> None:
        self._operations = operations
        self._accounts = StorageAccounts(clients)
        self._adapters: dict[Kind, Adapter] = {
            "ResourceGroup": ResourceGroups(clients),
            "NetworkSecurityGroup": NetworkSecurityGroups(clients),
            "VirtualNetwork": VirtualNetworks(clients),
            "Peering": Peerings(clients),
            "StorageAccount": self._accounts,
            "BlobContainer": BlobContainers(clients),
            "PrivateDnsZone": PrivateZones(clients),
            "VirtualNetworkLink": VirtualNetworkLinks(clients),
            "PrivateEndpoint": PrivateEndpoints(clients),
            "PrivateDnsZoneGroup": ZoneGroups(clients),
            "DiskAccess": DiskAccessResources(clients),
        }

    @override
    async def find(self, kind: Kind, resource_id: ArmId) -> Body | None:
        return await self._adapters[kind].find(resource_id)

    @override
    async def put(self, kind: Kind, resource_id: ArmId, body: Body) -> Body | None:
        adapter = self._adapters[kind]
        return await self._operations.advance(
            _key(resource_id), lambda: adapter.put(resource_id, body)
        )

    @override
    def under_way(self, resource_id: ArmId) -> bool:
        return self._operations.under_way(_key(resource_id))

    @override
    async def storage_accounts(self, subscription_id: str) -> Sequence[Body]:
        return await self._accounts.of_subscription(subscription_id)


def _key(resource_id: ArmId) -> str:
    return f"put {resource_id.lower()}"
