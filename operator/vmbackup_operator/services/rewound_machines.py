"""VMs of users whose disks a rewind swaps: stopped, changed and started, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from azure.mgmt.compute.aio.operations import VirtualMachinesOperations
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, bodies_at, body_at, text_at
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm_resources import ArmResources, encoded
from vmbackup_operator.services.machine_states import is_settled, power_of
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import Address, address
from vmbackup_operator.services.storage_changes import next_change
from vmbackup_operator.services.unchanged import unless
from vmbackup_operator.sessions.rewind_ports import (
    AttachedDisk,
    DiskPlace,
    MachineNow,
    RewoundMachines,
)


class AzureRewoundMachines(RewoundMachines):
    """Azure's VMs; a session's claim of its VM is what keeps others from being at it."""

    def __init__(self, resources: ArmResources, operations: Operations) -> None:
        self._resources = resources
        self._operations = operations

    @override
    async def find(self, vm_id: ArmId) -> MachineNow | None:
        body = await self._resources.find("MachineView", vm_id)
        if body is None:
            return None
        entries = _entries(body)
        disks = await asyncio.gather(*(self._disk(each, body) for _, each in entries))
        return MachineNow(
            id=ArmId(text_at(body, "id")),
            name=text_at(body, "name"),
            region=folded(text_at(body, "location").replace(" ", "")),
            power=power_of(body),
            settled=is_settled(body),
            disks=tuple(
                _attached(position, entry, disk)
                for (position, entry), disk in zip(entries, disks, strict=True)
            ),
        )

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        key, at = f"deallocate {folded(vm_id)}", address(vm_id)
        if not self._operations.under_way(key):
            body = await self._existing(vm_id)
            if not is_settled(body) or power_of(body) == "deallocated":
                return is_settled(body)

        async def begin() -> bool:
            call = self._machines(at).begin_deallocate(
                at.group, at.name, polling=self._resources.following()
            )
            await self._resources.carry_out(f"deallocating VM {at.name}", vm_id, call)
            return True

        return await self._operations.advance(key, begin) or False

    @override
    async def start(self, vm_id: ArmId) -> bool:
        key, at = f"start {folded(vm_id)}", address(vm_id)
        if not self._operations.under_way(key):
            body = await self._existing(vm_id)
            if not is_settled(body) or power_of(body) == "running":
                return is_settled(body)

        async def begin() -> bool:
            call = self._machines(at).begin_start(
                at.group, at.name, polling=self._resources.following()
            )
            await self._resources.carry_out(f"starting VM {at.name}", vm_id, call)
            return True

        return await self._operations.advance(key, begin) or False

    @override
    async def swap(self, vm_id: ArmId, places: Sequence[DiskPlace]) -> bool:
        key, change, etag = f"swap {folded(vm_id)}", None, ""
        if not self._operations.under_way(key):
            # Not out of what was read a while ago, and only where it is so still: a disk that
            # somebody has attached since would be missing from the list that is sent.
            fresh = await self._fresh(vm_id)
            if not is_settled(fresh):
                # Of an operator that has died, or of the VM's owner: it may fail yet.
                return False
            change, etag = next_change(body_at(fresh, *_PROFILE), places), text_at(fresh, "etag")
            if change is None:
                return True
        sent = encoded({"properties": {"storageProfile": change}})

        async def begin() -> bool:
            at = address(vm_id)
            call = self._machines(at).begin_update(
                at.group, at.name, sent, polling=self._resources.following(), **unless(etag)
            )
            await self._resources.carry_out(f"swapping disks of VM {at.name}", vm_id, call)
            return True

        await self._operations.advance(key, begin)
        return False

    async def _existing(self, vm_id: ArmId) -> Body:
        """Return the VM with its instance view; raise PermanentError where there is no VM."""
        body = await self._resources.find("MachineView", vm_id)
        if body is None:
            message = f"there is no virtual machine {vm_id}"
            raise PermanentError(message, reason="VirtualMachineNotFound")
        return body

    def _machines(self, at: Address) -> VirtualMachinesOperations:
        return self._resources.clients.compute(at.subscription_id).virtual_machines

    async def _fresh(self, vm_id: ArmId) -> Body:
        at = address(vm_id)
        with self._resources.clients.translated(f"reading VM {at.name}"):
            return dict((await self._machines(at).get(at.group, at.name)).as_dict())

    async def _disk(self, entry: Body, machine: Body) -> Body:
        disk_id = text_at(entry, "managedDisk", "id")
        if not disk_id or entry.get("diffDiskSettings") is not None:
            name = f"disk {text_at(entry, 'name')} of {text_at(machine, 'name')}"
            message = f"{name} is ephemeral, or not a managed disk"
            raise PermanentError(message, reason="DiskNotSupported")
        found = await self._resources.find("Disk", ArmId(disk_id))
        if found is None:
            raise PermanentError(f"disk {disk_id} does not exist", reason="DiskNotFound")
        return found


_PROFILE: Final = ("properties", "storageProfile")


def _entries(body: Body) -> list[tuple[str, Body]]:
    """Return each disk of the VM's profile with its position."""
    data = bodies_at(body, *_PROFILE, "dataDisks")
    luns = [(each.get("lun"), each) for each in data]
    return [
        (position_of(None), body_at(body, *_PROFILE, "osDisk")),
        *((position_of(lun), each) for lun, each in luns if isinstance(lun, int)),
    ]


def _attached(position: str, entry: Body, disk: Body) -> AttachedDisk:
    return AttachedDisk(
        position=position,
        id=ArmId(text_at(entry, "managedDisk", "id")),
        body=disk,
        caching=text_at(entry, "caching"),
        delete_option=text_at(entry, "deleteOption"),
        write_accelerator=entry.get("writeAcceleratorEnabled") is True,
    )
