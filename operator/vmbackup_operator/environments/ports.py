"""What environments need of Azure Resource Manager and of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.naming import ArmId

Kind = Literal[
    "ResourceGroup",
    "NetworkSecurityGroup",
    "VirtualNetwork",
    "Peering",
    "StorageAccount",
    "BlobContainer",
    "PrivateDnsZone",
    "VirtualNetworkLink",
    "PrivateEndpoint",
    "PrivateDnsZoneGroup",
    "DiskAccess",
]

#: What is sealed beside a region's account: workers, and the snapshots of its VMs.
SealedKind = Literal["VirtualMachine", "Snapshot"]


class ResourceManager(Protocol):
    """Azure Resource Manager, as far as environments go."""

    async def find(self, kind: Kind, resource_id: ArmId) -> Body | None:
        """Return the resource as Azure shows it, or None where there is none."""

    async def put(self, kind: Kind, resource_id: ArmId, body: Body) -> Body | None:
        """Ask for the resource to be as *body* says; return it once it is there, None before.

        Asking while the same resource is under way sends nothing and waits a moment for it; what
        Azure refuses is raised to whoever asks next.
        """

    def under_way(self, resource_id: ArmId) -> bool:
        """Tell whether a `put` of the resource has not been answered with its end yet."""

    async def storage_accounts(self, subscription_id: str) -> Sequence[Body]:
        """Return every storage account of the subscription."""

    async def sealed(
        self, kind: SealedKind, subscription_id: str, resource_group: str
    ) -> Sequence[Body]:
        """Return every resource of the kind in the group; none where there is no such group."""


class RegionEnvironments(Protocol):
    """The RegionEnvironment objects of the operator's own namespace, and looking at any."""

    async def find(self, namespace: str, name: str) -> RegionEnvironment | None:
        """Return the object, in whatever namespace it lies, or None."""

    async def list(self) -> Sequence[RegionEnvironment]:
        """Return those of the operator's own namespace."""

    async def create(self, environment: RegionEnvironment) -> None:
        """Write the object; one of that name that is already there is no error."""

    async def write_status(self, environment: RegionEnvironment) -> None:
        """Write the status over the resourceVersion that was read."""
