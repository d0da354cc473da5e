"""A VM with as many properties as the simulated Azure lets one set, and where it is restored to."""

from __future__ import annotations

from typing import Any, Final

from tests.scenario.small_machines import Machine, write_disk
from tests.scenario.stage import RESTORED_GROUP, Stage
from tools.local_cloud import seed
from tools.local_cloud.disk_images import GIB
from tools.local_cloud.seed import SeededDisk

Json = dict[str, Any]

COMPUTE, DISKS, NETWORKS = "2024-03-01", "2023-10-02", "2024-01-01"
_GROUPS, _IDENTITIES = "2022-09-01", "2023-01-31"

NAME: Final = "rich"
SOURCE: Final = seed.vm_id(NAME).partition("/providers/")[0]
VM_ID: Final = seed.vm_id(NAME)
IDENTITY_ID: Final = f"{SOURCE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/rich"
ENCRYPTION_SET_ID: Final = f"{SOURCE}/providers/Microsoft.Compute/diskEncryptionSets/rich"
_SOURCE_GROUP: Final = f"{SOURCE}/providers/Microsoft.Network/networkSecurityGroups/rich"
_SOURCE_NETWORK: Final = f"{SOURCE}/providers/Microsoft.Network/virtualNetworks/rich"

_TARGET_NETWORK: Final = f"{RESTORED_GROUP}/providers/Microsoft.Network/virtualNetworks/again"
TARGET_SUBNET_ID: Final = f"{_TARGET_NETWORK}/subnets/machines"
TARGET_SECURITY_GROUP_ID: Final = (
    f"{RESTORED_GROUP}/providers/Microsoft.Network/networkSecurityGroups/again"
)

_TAGS: Final = {"team": "web", "cost": "42"}
ENCRYPTION: Final = {
    "type": "EncryptionAtRestWithCustomerKey",
    "diskEncryptionSetId": ENCRYPTION_SET_ID,
}

#: What each disk was made with, by its position.
DISK_BODIES: Final[dict[str, Json]] = {
    "os": {
        "zones": ["2"],
        "tags": _TAGS | {"disk": "os"},
        "sku": {"name": "Premium_LRS"},
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": "V2",
            "securityProfile": {"securityType": "TrustedLaunch"},
            "supportedCapabilities": {"acceleratedNetwork": True, "architecture": "x64"},
            "encryption": ENCRYPTION,
            # Which the files that this project is checked against do not know yet.
            "availabilityPolicy": {"actionOnDiskDelay": "AutomaticReattach"},
        },
    },
    "3": {
        "zones": ["2"],
        "tags": _TAGS,
        "sku": {"name": "StandardSSD_LRS"},
        "properties": {"encryption": ENCRYPTION, "optimizedForFrequentAttach": True},
    },
    "7": {
        "zones": ["2"],
        "sku": {"name": "Premium_LRS"},
        "properties": {"tier": "P10", "supportsHibernation": True},
    },
}

_FIXED_ADDRESS = "10.30.1.20"


def _configuration(name: str, **properties: Any) -> Json:
    subnet = {"subnet": {"id": f"{_SOURCE_NETWORK}/subnets/machines"}}
    return {"name": name, "properties": {**subnet, **properties}}


#: What each interface was made with, in the VM's order.
INTERFACE_BODIES: Final[list[Json]] = [
    {
        "tags": _TAGS,
        "properties": {
            "ipConfigurations": [
                _configuration(
                    "first",
                    primary=True,
                    privateIPAddress=_FIXED_ADDRESS,
                    privateIPAllocationMethod="Static",
                ),
                _configuration("second", primary=False),
            ],
            "dnsSettings": {"dnsServers": ["10.30.1.4", "10.30.1.5"]},
            "enableAcceleratedNetworking": True,
            "enableIPForwarding": True,
            "disableTcpStateTracking": True,
            "networkSecurityGroup": {"id": _SOURCE_GROUP},
        },
    },
    {"properties": {"ipConfigurations": [_configuration("only", primary=True)]}},
]

#: What the VM was made with, but for its disks' and interfaces' ids.
VM_BODY: Final[Json] = {
    "zones": ["2"],
    "tags": _TAGS,
    "plan": {"name": "hardened", "publisher": "someone", "product": "linux"},
    "identity": {
        "type": "SystemAssigned, UserAssigned",
        "userAssignedIdentities": {IDENTITY_ID: {}},
    },
    "properties": {
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
        "licenseType": "RHEL_BYOS",
        "priority": "Regular",
        "extensionsTimeBudget": "PT1H",
        "additionalCapabilities": {"hibernationEnabled": False, "ultraSSDEnabled": True},
        "securityProfile": {
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
            "encryptionAtHost": True,
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        "scheduledEventsProfile": {
            "terminateNotificationProfile": {"notBeforeTimeout": "PT10M", "enable": True}
        },
        "resiliencyProfile": {"zoneMovement": {"isEnabled": True}},
        "storageProfile": {
            "diskControllerType": "SCSI",
            "osDisk": {
                "osType": "Linux",
                "caching": "ReadWrite",
                "deleteOption": "Delete",
                "writeAcceleratorEnabled": False,
            },
            "dataDisks": [
                {"lun": 3, "caching": "ReadOnly", "deleteOption": "Detach"},
                {"lun": 7, "caching": "None", "deleteOption": "Delete"},
            ],
        },
        "networkProfile": {
            "networkInterfaces": [
                {"properties": {"primary": True, "deleteOption": "Delete"}},
                {"properties": {"primary": False, "deleteOption": "Detach"}},
            ]
        },
    },
}


def rich_machine(stage: Stage) -> Machine:
    """Put the VM there, with all that it refers to."""
    _make_references(stage)
    disks = [_disk(stage, position) for position in DISK_BODIES]
    for disk, body in zip(disks, DISK_BODIES.values(), strict=True):
        made = {"creationData": {"createOption": "Empty"}, "diskSizeGB": GIB // GIB}
        _put(stage, disk.id, DISKS, {**body, "properties": {**body["properties"], **made}})
        stage.azure.fill_disk(disk.id, disk.path)
    nics = [_interface_id(index) for index in range(len(INTERFACE_BODIES))]
    for nic, body in zip(nics, INTERFACE_BODIES, strict=True):
        _put(stage, nic, NETWORKS, body)
    _put(stage, VM_ID, COMPUTE, _connected(disks, nics))
    return Machine(VM_ID, disks)


def make_place(stage: Stage) -> None:
    """Make the resource group that the VM is restored into, with a network of its own."""
    _put(stage, RESTORED_GROUP, _GROUPS, {})
    _put(stage, _TARGET_NETWORK, NETWORKS, _network("10.31"))
    _put(stage, TARGET_SECURITY_GROUP_ID, NETWORKS, {"properties": {"securityRules": []}})


def _make_references(stage: Stage) -> None:
    _put(stage, IDENTITY_ID, _IDENTITIES, {})
    key = {"keyUrl": "https://contoso.vault.azure.net/keys/disks/0123"}
    _put(stage, ENCRYPTION_SET_ID, DISKS, {"properties": {"activeKey": key}})
    _put(stage, _SOURCE_NETWORK, NETWORKS, _network("10.30"))
    _put(stage, _SOURCE_GROUP, NETWORKS, {"properties": {"securityRules": []}})


def _put(stage: Stage, arm_id: str, api_version: str, body: Json) -> None:
    stage.azure.arm(arm_id, api_version, {"location": seed.VM_REGION, **body})


def _network(prefix: str) -> Json:
    subnet = {"name": "machines", "properties": {"addressPrefix": f"{prefix}.1.0/24"}}
    space = {"addressPrefixes": [f"{prefix}.0.0/16"]}
    return {"properties": {"addressSpace": space, "subnets": [subnet]}}


def _interface_id(index: int) -> str:
    return f"{SOURCE}/providers/Microsoft.Network/networkInterfaces/rich-nic-{index}"


def _disk(stage: Stage, position: str) -> SeededDisk:
    return write_disk(stage, f"{NAME}-{position}", None if position == "os" else int(position))


def _connected(disks: list[SeededDisk], nics: list[str]) -> Json:
    """Return the VM's body with its disks attached and its interfaces named."""
    properties = VM_BODY["properties"]
    storage, network = properties["storageProfile"], properties["networkProfile"]
    system, *others = [{"createOption": "Attach", "managedDisk": {"id": disk.id}} for disk in disks]
    interfaces = zip(network["networkInterfaces"], nics, strict=True)
    profiles = {
        "storageProfile": {
            **storage,
            "osDisk": {**storage["osDisk"], **system},
            "dataDisks": [
                {**said, **attached}
                for said, attached in zip(storage["dataDisks"], others, strict=True)
            ],
        },
        "networkProfile": {"networkInterfaces": [{**said, "id": nic} for said, nic in interfaces]},
    }
    return {**VM_BODY, "properties": {**properties, **profiles}}
