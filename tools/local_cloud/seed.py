"""What a user of vmbackup already has in Azure before installing it.

In the home region: the appliance's resource group and VNet (where the cluster would be), the
repository's storage account with public access off and its container, in a group of its own, and
the operator's identity with its roles where the documents say. In another region: a VM with an OS
disk, a data disk of more than 64 GiB and an empty disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import azure_roles
from tools.local_cloud import disk_images
from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from tools.local_cloud.disk_images import GIB, MIB
from tools.local_cloud.toolchains import ROOT
from vmbackup_operator.settings import Settings, load

HOME_REGION = "westeurope"
VM_REGION = "northeurope"
OPERATOR_CLIENT_ID = "0f1e2d3c-4b5a-4978-8697-a5b4c3d2e1f0"
OPERATOR_CLIENT_SECRET = "only-good-for-the-simulator"  # noqa: S105 - nothing outside takes it
OPERATOR_OBJECT_ID = "7a6b5c4d-3e2f-4101-9234-56789abcdef0"

_APPLIANCE_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-backup"
_REPOSITORY_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-repository"
PRODUCTION_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-production"
APPLIANCE_NETWORK_ID = (
    f"{_APPLIANCE_GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-cluster"
)
REPOSITORY_ACCOUNT_ID = (
    f"{_REPOSITORY_GROUP}/providers/Microsoft.Storage/storageAccounts/contosobackups01"
)
REPOSITORY_CONTAINER = "vm-backups"
VM_NAME = "web-01"


def vm_id(name: str, group: str = PRODUCTION_GROUP) -> str:
    """Return the ARM id of the VM *name* of whoever has something to back up."""
    return f"{group}/providers/Microsoft.Compute/virtualMachines/{name}"


def disk_id(name: str, group: str = PRODUCTION_GROUP) -> str:
    """Return the ARM id of the managed disk *name* of such a VM."""
    return f"{group}/providers/Microsoft.Compute/disks/{name}"


VM_ID = vm_id(VM_NAME)

_COMPUTE = "2024-03-01"
_DISKS = "2023-10-02"
_NETWORK = "2024-01-01"
_STORAGE = "2023-05-01"
_GROUPS = "2022-09-01"

#: Where backups can be made as things are seeded.
REGIONS = (HOME_REGION, VM_REGION)


@dataclass(frozen=True, slots=True)
class SeededDisk:
    """A managed disk of the VM and the file it was filled from; *lun* is None for the OS disk."""

    name: str
    id: str
    lun: int | None
    path: Path
    size_bytes: int


def plan_disks(folder: Path) -> list[SeededDisk]:
    """Return the VM's three disks, with their content to be under *folder*."""

    def disk(name: str, lun: int | None, size_bytes: int) -> SeededDisk:
        return SeededDisk(name, disk_id(name), lun, folder / f"{name}.img", size_bytes)

    return [
        disk("web-01-os", None, 30 * GIB),
        disk("web-01-data", 0, 100 * GIB),
        disk("web-01-empty", 1, 32 * GIB),
    ]


def make_disks(disks: list[SeededDisk], data_bytes: int = 256 * MIB) -> None:
    """Write the VM's disks: a file system, *data_bytes* of random bytes and text, nothing."""
    system, data, empty = disks
    system.path.parent.mkdir(parents=True, exist_ok=True)
    scratch = system.path.parent / "scratch"
    disk_images.make_file_system(system.path, system.size_bytes, scratch)
    disk_images.make_data_disk(data.path, data.size_bytes, content_bytes=data_bytes)
    disk_images.make_empty_disk(empty.path, empty.size_bytes)


def seed(azure: Administrator, disks: list[SeededDisk]) -> None:
    """Put all of it into the simulated Azure."""
    seed_appliance(azure)
    seed_machine(azure, VM_NAME, disks)
    give_rights(azure)


def seed_appliance(azure: Administrator) -> None:
    """Put there what the appliance itself needs: its network, its identity, a repository.

    And the group that VMs lie in, so that rights can be given there.
    """
    azure.call("PUT", f"/subscriptions/{SUBSCRIPTION}")
    azure.arm(PRODUCTION_GROUP, _GROUPS, {"location": VM_REGION})
    _seed_network(azure)
    _seed_repository(azure)
    _seed_identity(azure)


def example_settings() -> Settings:
    """Return the settings that the seeded things are named in."""
    return load(ROOT / "charts" / "vmbackup" / "settings.yaml")


def give_rights(
    azure: Administrator, regions: Iterable[str] = REGIONS, settings: Settings | None = None
) -> None:
    """Make the groups of *regions*, and give the operator's identity each role where it belongs.

    That follows from its settings, which are those of the examples where none are given.
    """
    for put in azure_roles.puts(settings or example_settings(), OPERATOR_OBJECT_ID, regions):
        azure.arm(put.id, put.api_version, put.body)


def _seed_network(azure: Administrator) -> None:
    azure.arm(_APPLIANCE_GROUP, _GROUPS, {"location": HOME_REGION})
    azure.arm(
        APPLIANCE_NETWORK_ID, _NETWORK, _network(HOME_REGION, "10.240.0.0/16", "10.240.0.0/20")
    )
    azure.call("PUT", "/appliance", {"virtualNetworkId": APPLIANCE_NETWORK_ID})


def _seed_repository(azure: Administrator) -> None:
    azure.arm(_REPOSITORY_GROUP, _GROUPS, {"location": HOME_REGION})
    azure.arm(
        REPOSITORY_ACCOUNT_ID,
        _STORAGE,
        {
            "location": HOME_REGION,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {
                "publicNetworkAccess": "Disabled",
                "allowBlobPublicAccess": False,
                "allowSharedKeyAccess": False,
                "minimumTlsVersion": "TLS1_2",
                "supportsHttpsTrafficOnly": True,
            },
        },
    )
    azure.arm(
        f"{REPOSITORY_ACCOUNT_ID}/blobServices/default/containers/{REPOSITORY_CONTAINER}",
        _STORAGE,
        {"properties": {"publicAccess": "None"}},
    )


def _seed_identity(azure: Administrator) -> None:
    azure.call(
        "PUT",
        f"/identities/{OPERATOR_CLIENT_ID}",
        {
            "clientSecret": OPERATOR_CLIENT_SECRET,
            "objectId": OPERATOR_OBJECT_ID,
            "displayName": "vmbackup operator",
        },
    )


def seed_machine(
    azure: Administrator,
    name: str,
    disks: list[SeededDisk],
    region: str = VM_REGION,
    group: str = PRODUCTION_GROUP,
) -> None:
    """Put a VM into *group* with *disks*, the OS disk first, in the region's own network there."""
    network = f"{group}/providers/Microsoft.Network/virtualNetworks/vnet-{region}"
    azure.arm(network, _NETWORK, _network(region, "10.10.0.0/16", "10.10.1.0/24"))
    nic_id = f"{group}/providers/Microsoft.Network/networkInterfaces/{name}-nic"
    subnet: dict[str, object] = {"subnet": {"id": f"{network}/subnets/machines"}}
    configuration = {"name": "primary", "properties": subnet}
    interface = {"location": region, "properties": {"ipConfigurations": [configuration]}}
    azure.arm(nic_id, _NETWORK, interface)
    for disk in disks:
        azure.arm(disk.id, _DISKS, _managed_disk(disk, region))
        azure.fill_disk(disk.id, disk.path)
    azure.arm(vm_id(name, group), _COMPUTE, _machine(disks, nic_id, region))
    if region not in REGIONS:
        give_rights(azure, (region,))


def _network(region: str, prefix: str, subnet: str) -> dict[str, object]:
    return {
        "location": region,
        "properties": {
            "addressSpace": {"addressPrefixes": [prefix]},
            "subnets": [{"name": "machines", "properties": {"addressPrefix": subnet}}],
        },
    }


def _managed_disk(disk: SeededDisk, region: str) -> dict[str, object]:
    properties: dict[str, object] = {
        "creationData": {"createOption": "Empty"},
        "diskSizeGB": disk.size_bytes // GIB,
    }
    if disk.lun is None:
        properties["osType"] = "Linux"
    return {"location": region, "sku": {"name": "Premium_LRS"}, "properties": properties}


def _machine(disks: list[SeededDisk], nic_id: str, region: str) -> dict[str, object]:
    system, *others = disks
    return {
        "location": region,
        "tags": {"team": "web"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {
                "osDisk": {
                    "osType": "Linux",
                    "createOption": "Attach",
                    "name": system.name,
                    "managedDisk": {"id": system.id},
                },
                "dataDisks": [
                    {
                        "lun": disk.lun,
                        "createOption": "Attach",
                        "name": disk.name,
                        "managedDisk": {"id": disk.id},
                    }
                    for disk in others
                ],
            },
            "networkProfile": {"networkInterfaces": [{"id": nic_id}]},
        },
    }
