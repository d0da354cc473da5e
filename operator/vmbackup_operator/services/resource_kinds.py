"""How the SDK is asked for each kind of resource; a kind more is one entry here.

Every kind is read, written, deleted and listed by one adapter, `ArmResources`. What differs between
kinds is which of the SDK's calls does it, and what an id is taken apart to.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal, Protocol, TypeAlias

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.ports import Kind
from vmbackup_operator.naming import ArmId, arm_id, resource_group_of, subscription_of
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.following import Following

ResourceKind: TypeAlias = (
    Kind
    | Literal[
        "Snapshot",
        "VirtualMachine",
        "MachineView",
        "NetworkInterface",
        "Disk",
        "RunCommand",
        "DiskEncryptionSet",
        "UserAssignedIdentity",
    ]
)

_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_IDENTITY_VERSION = "2023-01-31"


class Model(Protocol):
    """What the SDK makes of an answer; it keeps properties that it does not know."""

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as Azure wrote it."""


class Poller(Protocol):
    """An operation that was begun."""

    async def result(self) -> Any:
        """Return what it comes to, or raise."""


@dataclass(frozen=True, slots=True)
class Address:
    """An ARM id taken apart, as the SDK wants it: *parent* and *grandparent* are names above."""

    subscription_id: str
    group: str
    name: str
    parent: str
    grandparent: str


def address(resource_id: ArmId) -> Address:
    """Return the parts of *resource_id*."""
    parts = ["", "", "", "", *resource_id.rstrip("/").split("/")]
    group = "" if "/resourcegroups/" not in folded(resource_id) else resource_group_of(resource_id)
    return Address(subscription_of(resource_id), group, parts[-1], parts[-3], parts[-5])


Find: TypeAlias = Callable[[Clients, Address], Awaitable[Model]]
#: The last is how the operation that it begins is followed; False where it is not.
How: TypeAlias = Following | Literal[False]
NOT_FOLLOWED: Literal[False] = False
Put: TypeAlias = Callable[[Clients, Address, BytesIO, How], Awaitable[Model | Poller]]
Delete: TypeAlias = Callable[[Clients, Address, How], Awaitable[Poller]]
#: Lists the kind in a subscription's resource group.
List: TypeAlias = Callable[[Clients, str, str], AsyncIterable[Model]]


@dataclass(frozen=True, slots=True)
class Description:
    """One kind: *words* is how it is called in errors; None is what nobody asks for."""

    words: str
    find: Find
    put: Put | None = None
    delete: Delete | None = None
    of_group: List | None = None


KINDS: Mapping[ResourceKind, Description] = {
    "ResourceGroup": Description(
        "resource group",
        lambda c, at: c.resources(at.subscription_id).resource_groups.get(at.name),
        lambda c, at, body, _: c.resources(at.subscription_id).resource_groups.create_or_update(
            at.name, body
        ),
    ),
    "NetworkSecurityGroup": Description(
        "network security group",
        lambda c, at: c.network(at.subscription_id).network_security_groups.get(at.group, at.name),
        lambda c, at, body, following: c.network(
            at.subscription_id
        ).network_security_groups.begin_create_or_update(
            at.group, at.name, body, polling=following
        ),
    ),
    "VirtualNetwork": Description(
        "virtual network",
        lambda c, at: c.network(at.subscription_id).virtual_networks.get(at.group, at.name),
        lambda c, at, body, following: c.network(
            at.subscription_id
        ).virtual_networks.begin_create_or_update(at.group, at.name, body, polling=following),
    ),
    "Peering": Description(
        "peering",
        lambda c, at: c.network(at.subscription_id).virtual_network_peerings.get(
            at.group, at.parent, at.name
        ),
        lambda c, at, body, following: c.network(
            at.subscription_id
        ).virtual_network_peerings.begin_create_or_update(
            at.group, at.parent, at.name, body, polling=following
        ),
    ),
    "StorageAccount": Description(
        "storage account",
        lambda c, at: c.storage(at.subscription_id).storage_accounts.get_properties(
            at.group, at.name
        ),
        lambda c, at, body, following: c.storage(at.subscription_id).storage_accounts.begin_create(
            at.group, at.name, body, polling=following
        ),
    ),
    "BlobContainer": Description(
        "container",
        # …/storageAccounts/ACCOUNT/blobServices/default/containers/NAME
        lambda c, at: c.storage(at.subscription_id).blob_containers.get(
            at.group, at.grandparent, at.name
        ),
        lambda c, at, body, _: c.storage(at.subscription_id).blob_containers.create(
            at.group, at.grandparent, at.name, body
        ),
    ),
    "PrivateDnsZone": Description(
        "private zone",
        lambda c, at: c.private_dns(at.subscription_id).private_zones.get(at.group, at.name),
        lambda c, at, body, following: c.private_dns(
            at.subscription_id
        ).private_zones.begin_create_or_update(at.group, at.name, body, polling=following),
    ),
    "VirtualNetworkLink": Description(
        "link of a private zone",
        lambda c, at: c.private_dns(at.subscription_id).virtual_network_links.get(
            at.group, at.parent, at.name
        ),
        lambda c, at, body, following: c.private_dns(
            at.subscription_id
        ).virtual_network_links.begin_create_or_update(
            at.group, at.parent, at.name, body, polling=following
        ),
    ),
    "PrivateEndpoint": Description(
        "private endpoint",
        lambda c, at: c.network(at.subscription_id).private_endpoints.get(at.group, at.name),
        lambda c, at, body, following: c.network(
            at.subscription_id
        ).private_endpoints.begin_create_or_update(at.group, at.name, body, polling=following),
        of_group=lambda c, subscription, group: c.network(subscription).private_endpoints.list(
            group
        ),
    ),
    "PrivateDnsZoneGroup": Description(
        "zone group",
        lambda c, at: c.network(at.subscription_id).private_dns_zone_groups.get(
            at.group, at.parent, at.name
        ),
        lambda c, at, body, following: c.network(
            at.subscription_id
        ).private_dns_zone_groups.begin_create_or_update(
            at.group, at.parent, at.name, body, polling=following
        ),
    ),
    "DiskAccess": Description(
        "disk access",
        lambda c, at: c.compute(at.subscription_id).disk_accesses.get(at.group, at.name),
        lambda c, at, body, following: c.compute(
            at.subscription_id
        ).disk_accesses.begin_create_or_update(at.group, at.name, body, polling=following),
        of_group=lambda c, subscription, group: c.compute(
            subscription
        ).disk_accesses.list_by_resource_group(group),
    ),
    "Snapshot": Description(
        "snapshot",
        lambda c, at: c.compute(at.subscription_id).snapshots.get(at.group, at.name),
        lambda c, at, body, following: c.compute(
            at.subscription_id
        ).snapshots.begin_create_or_update(at.group, at.name, body, polling=following),
        lambda c, at, following: c.compute(at.subscription_id).snapshots.begin_delete(
            at.group, at.name, polling=following
        ),
        of_group=lambda c, subscription, group: c.compute(
            subscription
        ).snapshots.list_by_resource_group(group),
    ),
    # The same, looked at with its power: that costs Azure a look at the host.
    "MachineView": Description(
        "VM",
        lambda c, at: c.compute(at.subscription_id).virtual_machines.get(
            at.group, at.name, expand="instanceView"
        ),
    ),
    "VirtualMachine": Description(
        "VM",
        lambda c, at: c.compute(at.subscription_id).virtual_machines.get(at.group, at.name),
        lambda c, at, body, following: c.compute(
            at.subscription_id
        ).virtual_machines.begin_create_or_update(at.group, at.name, body, polling=following),
        lambda c, at, following: c.compute(at.subscription_id).virtual_machines.begin_delete(
            at.group, at.name, polling=following
        ),
        of_group=lambda c, subscription, group: c.compute(subscription).virtual_machines.list(
            group, expand="instanceView"
        ),
    ),
    "NetworkInterface": Description(
        "interface",
        lambda c, at: c.network(at.subscription_id).network_interfaces.get(at.group, at.name),
        lambda c, at, body, following: c.network(
            at.subscription_id
        ).network_interfaces.begin_create_or_update(at.group, at.name, body, polling=following),
        lambda c, at, following: c.network(at.subscription_id).network_interfaces.begin_delete(
            at.group, at.name, polling=following
        ),
        of_group=lambda c, subscription, group: c.network(subscription).network_interfaces.list(
            group
        ),
    ),
    "Disk": Description(
        "disk",
        lambda c, at: c.compute(at.subscription_id).disks.get(at.group, at.name),
        lambda c, at, body, following: c.compute(at.subscription_id).disks.begin_create_or_update(
            at.group, at.name, body, polling=following
        ),
        delete=lambda c, at, following: c.compute(at.subscription_id).disks.begin_delete(
            at.group, at.name, polling=following
        ),
        of_group=lambda c, subscription, group: c.compute(
            subscription
        ).disks.list_by_resource_group(group),
    ),
    "DiskEncryptionSet": Description(
        "disk encryption set",
        lambda c, at: c.compute(at.subscription_id).disk_encryption_sets.get(at.group, at.name),
    ),
    "UserAssignedIdentity": Description(
        "identity",
        # By its id: a client of its own would load a package for one look.
        lambda c, at: c.resources(at.subscription_id).resources.get_by_id(
            arm_id(at.subscription_id, at.group, _IDENTITY, at.name).lstrip("/"),
            api_version=_IDENTITY_VERSION,
        ),
    ),
    "RunCommand": Description(
        "command",
        lambda c, at: c.compute(
            at.subscription_id
        ).virtual_machine_run_commands.get_by_virtual_machine(
            at.group, at.parent, at.name, expand="instanceView"
        ),
        lambda c, at, body, following: c.compute(
            at.subscription_id
        ).virtual_machine_run_commands.begin_create_or_update(
            at.group, at.parent, at.name, body, polling=following
        ),
        lambda c, at, following: c.compute(
            at.subscription_id
        ).virtual_machine_run_commands.begin_delete(
            at.group, at.parent, at.name, polling=following
        ),
    ),
}
