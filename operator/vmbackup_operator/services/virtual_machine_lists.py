"""Lists of VMs, one resource group at a time: what policies ask Azure for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from azure.core.exceptions import HttpResponseError
from typing_extensions import override

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.ports import MachineListed, VirtualMachineLists
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import code_and_message, translated

_NO_GROUP = "ResourceGroupNotFound"


class _DataDisk(msgspec.Struct, rename="camel", frozen=True):
    lun: int


class _StorageProfile(msgspec.Struct, rename="camel", frozen=True):
    data_disks: tuple[_DataDisk, ...] | None = None


class _VmProperties(msgspec.Struct, rename="camel", frozen=True):
    storage_profile: _StorageProfile | None = None


class _Vm(msgspec.Struct, rename="camel", frozen=True):
    id: str
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
                return [machine_listed(vm.as_dict()) async for vm in machines.list(resource_group)]
            except HttpResponseError as error:
                if code_and_message(error)[0] == _NO_GROUP:
                    return []
                raise


def machine_listed(answer: Body) -> MachineListed:
    """Return the VM that an entry of Azure's list describes; Azure may leave out what is empty."""
    vm = msgspec.convert(answer, _Vm)
    profile = None if vm.properties is None else vm.properties.storage_profile
    disks = None if profile is None else profile.data_disks
    return MachineListed(ArmId(vm.id), tuple(disk.lun for disk in disks or ()))
