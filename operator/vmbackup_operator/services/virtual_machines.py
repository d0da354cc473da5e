"""The VMs that are backed up, with their disks and interfaces: read, never written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.nulls import read_as
from vmbackup_operator.model.vm_description import VmDescription
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.sessions.ports import VirtualMachines
from vmbackup_operator.sessions.seen import DiskSeen, UnmanagedDisk, VirtualMachineSeen


class _Managed(msgspec.Struct, rename="camel", frozen=True):
    id: str


class _OsDisk(msgspec.Struct, rename="camel", frozen=True):
    name: str = ""
    managed_disk: _Managed | None = None
    diff_disk_settings: dict[str, object] | None = None


class _DataDisk(msgspec.Struct, rename="camel", frozen=True):
    lun: int
    name: str = ""
    managed_disk: _Managed | None = None


class _StorageProfile(msgspec.Struct, rename="camel", frozen=True):
    os_disk: _OsDisk
    data_disks: tuple[_DataDisk, ...] = ()


class _NetworkProfile(msgspec.Struct, rename="camel", frozen=True):
    network_interfaces: tuple[_Managed, ...] = ()


class _VmProperties(msgspec.Struct, rename="camel", frozen=True):
    storage_profile: _StorageProfile
    vm_id: str = ""
    network_profile: _NetworkProfile = _NetworkProfile()


class _Vm(msgspec.Struct, rename="camel", frozen=True):
    id: str
    name: str
    location: str
    properties: _VmProperties


class _Sku(msgspec.Struct, rename="camel", frozen=True):
    name: str = ""


class _DiskProperties(msgspec.Struct, rename="camel", frozen=True):
    unique_id: str
    disk_size_bytes: int = 0
    disk_size_gb: int = msgspec.field(name="diskSizeGB", default=0)


class _Disk(msgspec.Struct, rename="camel", frozen=True):
    id: str
    name: str
    properties: _DiskProperties
    sku: _Sku = _Sku()
    tags: dict[str, str] = msgspec.field(default_factory=dict)


class AzureVirtualMachines(VirtualMachines):
    """Looks at VMs; one by one, since a right may be given on single VMs and disks only."""

    def __init__(self, resources: ArmResources) -> None:
        self._resources = resources

    @override
    async def find(self, vm_id: ArmId) -> VirtualMachineSeen | None:
        body = await self._resources.find("VirtualMachine", vm_id)
        if body is None:
            return None
        vm = read_as(body, _Vm)
        attached = _attached(vm)
        bodies = await asyncio.gather(*(self._disk(disk_id) for _, disk_id in attached))
        listed = vm.properties.network_profile.network_interfaces
        interfaces = await asyncio.gather(*(self._interface(ArmId(nic.id)) for nic in listed))
        return VirtualMachineSeen(
            id=vm_id,
            name=vm.name,
            region=folded(vm.location.replace(" ", "")),
            unique_id=vm.properties.vm_id,
            disks=tuple(_seen(lun, disk) for (lun, _), disk in zip(attached, bodies, strict=True)),
            description=_description(body, bodies, interfaces),
            unmanaged=_unmanaged(vm),
        )

    async def _disk(self, disk_id: ArmId) -> Body:
        found = await self._resources.find("Disk", disk_id)
        if found is None:
            raise PermanentError(f"disk {disk_id} does not exist", reason="DiskNotFound")
        return found

    async def _interface(self, interface_id: ArmId) -> Body | None:
        return await self._resources.find("NetworkInterface", interface_id)


def _attached(vm: _Vm) -> list[tuple[int | None, ArmId]]:
    """Return LUN and id of every managed disk, the OS disk's LUN being None."""
    profile = vm.properties.storage_profile
    os_disk = profile.os_disk
    if os_disk.diff_disk_settings is not None:
        raise _unsupported(vm, os_disk.name, "is ephemeral")
    if os_disk.managed_disk is None:
        raise _unsupported(vm, os_disk.name, "is not a managed disk")
    data = (
        (disk.lun, ArmId(disk.managed_disk.id))
        for disk in profile.data_disks
        if disk.managed_disk is not None
    )
    return [(None, ArmId(os_disk.managed_disk.id)), *data]


def _unmanaged(vm: _Vm) -> tuple[UnmanagedDisk, ...]:
    disks = vm.properties.storage_profile.data_disks
    return tuple(UnmanagedDisk(each.name, each.lun) for each in disks if each.managed_disk is None)


def _unsupported(vm: _Vm, disk: str, why: str) -> PermanentError:
    return PermanentError(f"disk {disk} of {vm.name} {why}", reason="DiskNotSupported")


def _seen(lun: int | None, body: Body) -> DiskSeen:
    disk = read_as(body, _Disk)
    size = disk.properties.disk_size_bytes or disk.properties.disk_size_gb << 30
    return DiskSeen(
        id=ArmId(disk.id),
        name=disk.name,
        unique_id=DiskUniqueId(disk.properties.unique_id),
        lun=lun,
        size_bytes=size,
        sku=disk.sku.name,
        tags=disk.tags,
    )


def _description(vm: Body, disks: Sequence[Body], interfaces: Sequence[Body | None]) -> str:
    """Return what a restore needs and Azure forgets with the VM; Azure shows no secrets here."""
    listed = tuple(interface for interface in interfaces if interface is not None)
    return VmDescription("resource-manager", vm, tuple(disks), listed).text
