"""The VMs that are backed up, in memory."""

from __future__ import annotations

from typing_extensions import override

from tests.worlds.memory_azure import Azure
from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.sessions import ports, seen


class MemoryMachines(ports.VirtualMachines):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def find(self, vm_id: ArmId) -> seen.VirtualMachineSeen | None:
        if folded(vm_id) in self.azure.unsupported:
            message = f"disk os of {name_of(vm_id)} is ephemeral"
            raise PermanentError(message, reason="DiskNotSupported")
        return self.azure.machines.get(folded(vm_id))
