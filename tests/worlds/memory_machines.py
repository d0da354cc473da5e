"""The VMs that are backed up, in memory."""

from __future__ import annotations

from typing_extensions import override

from tests.worlds.memory_azure import Azure
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions import ports, seen


class MemoryMachines(ports.VirtualMachines):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def find(self, vm_id: ArmId) -> seen.VirtualMachineSeen | None:
        return self.azure.machines.get(vm_id.lower())

    async def exists(self, vm_id: ArmId) -> bool:
        return vm_id.lower() in self.azure.machines
