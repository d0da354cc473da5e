"""Lists of VMs, of a resource group or a subscription: what policies ask Azure for."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence

import msgspec
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute.models import VirtualMachine
from typing_extensions import override

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.nulls import read_as
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.ports import DiskListed, MachineListed, VirtualMachineLists
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import code_and_message, translated

_NO_GROUP = "ResourceGroupNotFound"


class _Disk(msgspec.Struct, rename="camel", frozen=True):
    lun: int | None = None
    name: str | None = None
    vhd: dict[str, object] | None = None
    diff_disk_settings: dict[str, object] | None = None

    def listed(self, lun: int | None) -> DiskListed:
        """Return what the list says; a disk that is being made may show neither kind."""
        unsupported = None
        if self.vhd is not None:
            unsupported = "is not a managed disk"
        if self.diff_disk_settings is not None:
            unsupported = "is ephemeral"
        return DiskListed(lun, self.name or "", unsupported)


class _StorageProfile(msgspec.Struct, rename="camel", frozen=True):
    os_disk: _Disk | None = None
    data_disks: tuple[_Disk, ...] | None = None

    @property
    def disks(self) -> tuple[DiskListed, ...]:
        os_disk = () if self.os_disk is None else (self.os_disk.listed(None),)
        return (*os_disk, *(disk.listed(disk.lun) for disk in self.data_disks or ()))


class _VmProperties(msgspec.Struct, rename="camel", frozen=True):
    storage_profile: _StorageProfile | None = None


class _Vm(msgspec.Struct, rename="camel", frozen=True):
    id: str
    location: str = ""
    tags: dict[str, str] | None = None
    properties: _VmProperties | None = None


class AzureVirtualMachineLists(VirtualMachineLists):
    """Lists VMs by Resource Manager."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @override
    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[MachineListed]:
        machines = self._clients.compute(subscription_id).virtual_machines
        with translated(f"listing virtual machines in {resource_group}"):
            try:
                return await _all(machines.list(resource_group))
            except HttpResponseError as error:
                if code_and_message(error)[0] == _NO_GROUP:
                    return []
                raise

    @override
    async def of_subscription(self, subscription_id: str) -> Sequence[MachineListed]:
        machines = self._clients.compute(subscription_id).virtual_machines
        with translated(f"listing virtual machines in subscription {subscription_id}"):
            return await _all(machines.list_all())


async def _all(pages: AsyncIterable[VirtualMachine]) -> list[MachineListed]:
    return [machine_listed(vm.as_dict()) async for vm in pages]


def machine_listed(answer: Body) -> MachineListed:
    """Return the VM that an entry of Azure's list describes; Azure may leave out what is empty."""
    vm = read_as(answer, _Vm)
    profile = None if vm.properties is None else vm.properties.storage_profile
    disks = () if profile is None else profile.disks
    return MachineListed(ArmId(vm.id), disks, vm.tags or {}, folded(vm.location))
