"""Data disks of worker VMs: attached for a rewind, and taken off again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from azure.core.exceptions import ResourceNotFoundError
from typing_extensions import override

from vmbackup_core.errors import LostAttempt
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.environments.bodies import Body, bodies_at, body_at, text_at
from vmbackup_operator.naming import WORKER_TAG, ArmId, name_of
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources, encoded
from vmbackup_operator.services.machine_states import is_settled
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import address
from vmbackup_operator.services.unchanged import unless
from vmbackup_operator.sessions.rewind_ports import WorkerDisks

_DISKS: Final = ("properties", "storageProfile", "dataDisks")


class AzureWorkerDisks(WorkerDisks):
    """By changes of the VM, each only where nobody has changed it since it was looked at."""

    def __init__(
        self, resources: ArmResources, operations: Operations, ownership: Ownership
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._ownership = ownership

    @override
    async def attach(self, vm_id: ArmId, disks: Mapping[int, ArmId]) -> bool:
        machine = await self._machine(vm_id)
        if machine is None:
            raise LostAttempt(f"there is no worker {vm_id} any more", reason="WorkerLost")
        self._ownership.check_ours(vm_id, body_at(machine, "tags"))
        wanted = {lun: folded(disk) for lun, disk in disks.items()}
        held = {_lun(each): _disk(each) for each in bodies_at(machine, *_DISKS)}
        if not is_settled(machine) or self._is_under_way(vm_id):
            await self._change(vm_id, machine, [])
            return False
        if held == wanted:
            return True
        kept = [
            each for each in bodies_at(machine, *_DISKS) if wanted.get(_lun(each)) == _disk(each)
        ]
        # Azure refuses another disk at a LUN that has one: what is to go goes first.
        there = {_lun(each) for each in kept}
        leaving = len(kept) < len(held)
        new = (
            []
            if leaving
            else [_entry(lun, disk) for lun, disk in disks.items() if lun not in there]
        )
        await self._change(vm_id, machine, [*kept, *new])
        return False

    @override
    async def detach(self, disks: Collection[ArmId]) -> bool:
        holders = await asyncio.gather(*map(self._holder, disks))
        held: dict[str, tuple[ArmId, set[str]]] = {}
        for disk, holder in zip(disks, holders, strict=True):
            if holder:
                held.setdefault(folded(holder), (holder, set()))[1].add(folded(disk))
        ends = await asyncio.gather(*(self._detach(*each) for each in held.values()))
        return all(ends)

    async def _detach(self, vm_id: ArmId, disks: set[str]) -> bool:
        """Take the disks off the VM, if that is a worker of ours; True where nothing is owed."""
        machine = await self._machine(vm_id)
        if machine is None or not self._is_worker(vm_id, body_at(machine, "tags")):
            return True
        kept = [each for each in bodies_at(machine, *_DISKS) if _disk(each) not in disks]
        await self._change(vm_id, machine, kept)
        return False

    def _is_worker(self, vm_id: ArmId, tags: Body) -> bool:
        return bool(tag_value(tags, WORKER_TAG)) and self._ownership.owns(vm_id, tags)

    async def _change(self, vm_id: ArmId, machine: Body, entries: list[Body]) -> None:
        """Have these be the VM's data disks, unless a change of ours, or of Azure's, is under way.

        One of ours is gone on with; one that an operator began which has died is waited for.
        """
        if not is_settled(machine) and not self._is_under_way(vm_id):
            return
        at, etag = address(vm_id), text_at(machine, "etag")
        machines = self._resources.clients.compute(at.subscription_id).virtual_machines
        sent = encoded({"properties": {"storageProfile": {"dataDisks": [*entries]}}})

        async def begin() -> bool:
            call = machines.begin_update(
                at.group,
                at.name,
                sent,
                polling=self._resources.following(),
                **unless(etag),
            )
            await self._resources.carry_out(f"changing disks of worker {at.name}", vm_id, call)
            return True

        await self._operations.advance(_key(vm_id), begin)

    def _is_under_way(self, vm_id: ArmId) -> bool:
        return self._operations.under_way(_key(vm_id))

    async def _machine(self, vm_id: ArmId) -> Body | None:
        """Return the VM as it is at this moment: a list may be some seconds old."""
        at = address(vm_id)
        machines = self._resources.clients.compute(at.subscription_id).virtual_machines
        with self._resources.clients.translated(f"reading worker {at.name}"):
            try:
                return dict((await machines.get(at.group, at.name)).as_dict())
            except ResourceNotFoundError:
                return None

    async def _holder(self, disk_id: ArmId) -> ArmId | None:
        """Return the VM that has the disk; None where none has, or there is no disk."""
        at = address(disk_id)
        disks = self._resources.clients.compute(at.subscription_id).disks
        with self._resources.clients.translated(f"reading disk {at.name}"):
            try:
                found = dict((await disks.get(at.group, at.name)).as_dict())
            except ResourceNotFoundError:
                return None
        return ArmId(text_at(found, "managedBy")) or None


def _key(vm_id: ArmId) -> str:
    return f"disks of {folded(vm_id)}"


def _entry(lun: int, disk: ArmId) -> Body:
    return {
        "lun": lun,
        "name": name_of(disk),
        "createOption": "Attach",
        # What is read back is to come from the disk, and a worker's end is not the disk's.
        "caching": "None",
        "deleteOption": "Detach",
        "managedDisk": {"id": disk},
    }


def _lun(entry: Body) -> int:
    lun = entry.get("lun")
    return lun if isinstance(lun, int) else -1


def _disk(entry: Body) -> str:
    return folded(text_at(entry, "managedDisk", "id"))
