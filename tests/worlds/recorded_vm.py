"""A VM with two disks and an interface as Azure answers, and the point that recorded it."""

from __future__ import annotations

import copy
from typing import Any

from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import (
    RestoreMode,
    RestoreOverrides,
    RestoreSessionSpec,
    RestoreTarget,
)
from vmbackup_operator.model.vm_description import VmDescription

Recorded = dict[str, Any]

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
SOURCE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/web"
TARGET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/restored"
REGION = "northeurope"
RUN = RunId("0123456789abcdef0123456789abcdef")
GIB = 1 << 30

VM_ID = f"{SOURCE}/providers/Microsoft.Compute/virtualMachines/web-01"
NIC_ID = f"{SOURCE}/providers/Microsoft.Network/networkInterfaces/web-01-nic"
NETWORK_ID = f"{SOURCE}/providers/Microsoft.Network/virtualNetworks/web"
SUBNET_ID = f"{NETWORK_ID}/subnets/machines"
IDENTITY_ID = f"{SOURCE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"
NSG_ID = f"{SOURCE}/providers/Microsoft.Network/networkSecurityGroups/web"
ASG_ID = f"{SOURCE}/providers/Microsoft.Network/applicationSecurityGroups/web"
ADDRESS_ID = f"{SOURCE}/providers/Microsoft.Network/publicIPAddresses/web"
AVAILABILITY_ID = f"{SOURCE}/providers/Microsoft.Compute/availabilitySets/web"
ENCRYPTION_ID = f"{SOURCE}/providers/Microsoft.Compute/diskEncryptionSets/web"

SIZES = {"os": 32 * GIB, "0": 128 * GIB}


def disk_id(position: str) -> str:
    return f"{SOURCE}/providers/Microsoft.Compute/disks/web-01-{position}"


def disk_body(position: str = "0", **properties: object) -> Recorded:
    """Return a disk as Azure answers, with *properties* over its own."""
    made: Recorded = {"createOption": "Empty", "logicalSectorSize": 4096}
    if position == "os":
        image = f"/Subscriptions/{SUBSCRIPTION}/Providers/Microsoft.Compute/Locations/x"
        made = {"createOption": "FromImage", "imageReference": {"id": image}}
    return {
        "id": disk_id(position),
        "name": f"web-01-{position}",
        "type": "Microsoft.Compute/disks",
        "location": REGION,
        "zones": ["2"],
        "managedBy": VM_ID,
        "tags": {"team": "web", "vmbackup-owner": "1 first AAAA"},
        "sku": {"name": "Premium_LRS", "tier": "Premium"},
        "properties": {
            "osType": "Linux" if position == "os" else None,
            "hyperVGeneration": "V2",
            "creationData": made,
            "diskSizeGB": SIZES[position] // GIB,
            "diskSizeBytes": SIZES[position],
            "diskIOPSReadWrite": 500,
            "diskMBpsReadWrite": 100,
            "tier": "P20",
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            "timeCreated": "2026-05-01T08:00:00.0000000+00:00",
            "provisioningState": "Succeeded",
            "diskState": "Attached",
            "uniqueId": f"00000000-0000-4000-8000-00000000000{len(position)}",
            "availabilityPolicy": {"actionOnDiskDelay": "AutomaticReattach"},
            **properties,
        },
    }


def interface_body() -> Recorded:
    """Return a network interface as Azure answers, with two configurations."""
    return {
        "id": NIC_ID,
        "name": "web-01-nic",
        "type": "Microsoft.Network/networkInterfaces",
        "kind": "Regular",
        "location": REGION,
        "etag": 'W/"00000000-0000-4000-8000-000000000001"',
        "tags": {"team": "web"},
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": "00000000-0000-4000-8000-000000000002",
            "ipConfigurations": [
                {
                    "id": f"{NIC_ID}/ipConfigurations/first",
                    "name": "first",
                    "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
                    "etag": 'W/"00000000-0000-4000-8000-000000000001"',
                    "properties": {
                        "provisioningState": "Succeeded",
                        "privateIPAddress": "10.0.0.7",
                        "privateIPAllocationMethod": "Static",
                        "privateIPAddressVersion": "IPv4",
                        "subnet": {"id": SUBNET_ID},
                        "primary": True,
                        "publicIPAddress": {"id": ADDRESS_ID},
                        "applicationSecurityGroups": [{"id": ASG_ID}],
                    },
                },
                {
                    "id": f"{NIC_ID}/ipConfigurations/second",
                    "name": "second",
                    "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
                    "etag": 'W/"00000000-0000-4000-8000-000000000001"',
                    "properties": {
                        "provisioningState": "Succeeded",
                        "privateIPAddress": "10.0.0.8",
                        "privateIPAllocationMethod": "Dynamic",
                        "privateIPAddressVersion": "IPv4",
                        "subnet": {"id": SUBNET_ID},
                        "primary": False,
                    },
                },
            ],
            "dnsSettings": {
                "dnsServers": ["10.0.0.4"],
                "appliedDnsServers": ["10.0.0.4"],
                "internalDomainNameSuffix": "abc.bx.internal.cloudapp.net",
            },
            "macAddress": "00-0D-3A-01-02-03",
            "primary": True,
            "enableAcceleratedNetworking": True,
            "enableIPForwarding": True,
            "vnetEncryptionSupported": False,
            "disableTcpStateTracking": False,
            "networkSecurityGroup": {"id": NSG_ID},
            "virtualMachine": {"id": VM_ID},
            "hostedWorkloads": [],
            "tapConfigurations": [],
            "nicType": "Standard",
            "allowPort25Out": True,
            "auxiliaryMode": "None",
        },
    }


def machine_body(**properties: object) -> Recorded:
    """Return the VM as Azure answers, with *properties* over its own."""
    return {
        "id": VM_ID,
        "name": "web-01",
        "type": "Microsoft.Compute/virtualMachines",
        "location": REGION,
        "zones": ["2"],
        "etag": '"5"',
        "tags": {"team": "web", "cost": "42"},
        "plan": {"name": "hardened", "publisher": "someone", "product": "linux"},
        "identity": {
            "type": "SystemAssigned, UserAssigned",
            "principalId": "00000000-0000-4000-8000-00000000000a",
            "tenantId": "00000000-0000-4000-8000-00000000000b",
            "userAssignedIdentities": {
                IDENTITY_ID: {
                    "clientId": "00000000-0000-4000-8000-00000000000c",
                    "principalId": "00000000-0000-4000-8000-00000000000d",
                }
            },
        },
        "resources": [{"id": f"{VM_ID}/extensions/monitor", "name": "monitor"}],
        "properties": {
            "vmId": "00000000-0000-4000-8000-00000000000e",
            "provisioningState": "Succeeded",
            "timeCreated": "2026-05-01T08:00:00.0000000+00:00",
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "additionalCapabilities": {"hibernationEnabled": False},
            "storageProfile": {
                "imageReference": {"publisher": "Canonical", "exactVersion": "1.2.3"},
                "osDisk": {
                    "osType": "Linux",
                    "name": "web-01-os",
                    "createOption": "FromImage",
                    "caching": "ReadWrite",
                    "writeAcceleratorEnabled": False,
                    "managedDisk": {"storageAccountType": "Premium_LRS", "id": disk_id("os")},
                    "deleteOption": "Delete",
                    "diskSizeGB": 32,
                },
                "dataDisks": [
                    {
                        "lun": 0,
                        "name": "web-01-0",
                        "createOption": "Attach",
                        "caching": "ReadOnly",
                        "managedDisk": {"storageAccountType": "Premium_LRS", "id": disk_id("0")},
                        "deleteOption": "Detach",
                        "diskSizeGB": 128,
                        "toBeDetached": False,
                    }
                ],
                "diskControllerType": "SCSI",
            },
            "osProfile": {
                "computerName": "web-01",
                "adminUsername": "admin",
                "linuxConfiguration": {"patchSettings": {"patchMode": "AutomaticByPlatform"}},
            },
            "securityProfile": {
                "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
                "securityType": "TrustedLaunch",
                "encryptionAtHost": True,
            },
            "networkProfile": {
                "networkInterfaces": [{"id": NIC_ID, "properties": {"deleteOption": "Delete"}}]
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            "licenseType": "RHEL_BYOS",
            "priority": "Regular",
            "resiliencyProfile": {"zoneMovement": {"isEnabled": True}},
            **properties,
        },
    }


def described(
    machine: Recorded | None = None,
    disks: list[Recorded] | None = None,
    interfaces: list[Recorded] | None = None,
) -> VmDescription:
    """Return what a point says of the VM."""
    return VmDescription(
        "resource-manager",
        copy.deepcopy(machine or machine_body()),
        tuple(disks if disks is not None else [disk_body("os"), disk_body("0")]),
        tuple(interfaces if interfaces is not None else [interface_body()]),
    )


def point_disk(position: str) -> PointDisk:
    """Return a disk of the point."""
    lun = None if position == "os" else int(position)
    return PointDisk(
        id=disk_id(position),
        name=f"web-01-{position}",
        unique_id=DiskUniqueId(f"unique-{position}"),
        lun=lun,
        size_bytes=SIZES[position],
        snapshot_id=f"{SOURCE}/providers/Microsoft.Compute/snapshots/vmb-{position}",
        snapshot_unique_id=SnapshotUniqueId(f"snapshot-{position}"),
        chain_id=ChainId(f"{(lun or 0) + 7 + (lun is None):032x}"),
        slot=CommitSlot(1),
        commit_sha256="c" * 64,
        manifest=f"m/00000/001/{RUN}",
        manifest_sha256="d" * 64,
        read_bytes=0,
        stored_bytes=0,
    )


POINT_DISKS = (point_disk("os"), point_disk("0"))


def restore_spec(
    mode: RestoreMode = "VirtualMachine",
    *,
    disks: tuple[str, ...] = (),
    overrides: RestoreOverrides | None = None,
    region: str = REGION,
    **target: Any,
) -> RestoreSessionSpec:
    """Return what a session asks for, with *target* over the plainest one."""
    return RestoreSessionSpec(
        recovery_point_ref=ObjectReference("web-01-202605010800-012345"),
        mode=mode,
        target=RestoreTarget(
            subscription_id=SUBSCRIPTION, resource_group="restored", region=region, **target
        ),
        disks=disks,
        overrides=overrides or RestoreOverrides(),
    )
