"""Data disks of workers in memory: attached and detached within a few looks, at one VM each."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from typing_extensions import override

from tests.worlds.memory_azure import Azure
from tests.worlds.memory_rewinds import Loose
from tests.worlds.memory_workers import MemoryWorkers
from vmbackup_core.errors import LostAttempt, VmbackupError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.sessions.rewind_ports import WorkerDisks


class MemoryWorkerDisks(WorkerDisks):
    def __init__(self, azure: Azure, loose: Loose, workers: MemoryWorkers) -> None:
        self.azure, self.loose, self.workers = azure, loose, workers

    @override
    async def attach(self, vm_id: ArmId, disks: Mapping[int, ArmId]) -> bool:
        if self.workers.proven(vm_id) is None:
            raise LostAttempt(f"there is no worker {vm_id} any more", reason="WorkerLost")
        if self._is_busy(vm_id):
            return False
        held = self._held(vm_id)
        wanted = {lun: folded(disk) for lun, disk in disks.items()}
        if held == wanted:
            return True
        leaving = {lun for lun, disk in held.items() if wanted.get(lun) != disk}
        coming = {} if leaving else {lun: wanted[lun] for lun in wanted.keys() - held.keys()}
        for disk in coming.values():
            self._check(vm_id, disk)

        def changed() -> None:
            for lun in leaving:
                del self.loose.on_workers[held[lun]]
            for lun, disk in coming.items():
                self.loose.on_workers[disk] = (folded(vm_id), lun)
            self.azure.begin(_key(vm_id))

        self.azure.write(f"{'detach' if leaving else 'attach'} disks of {vm_id}", changed)
        return False

    @override
    async def detach(self, disks: Collection[ArmId]) -> bool:
        holders = {self.loose.worker_of(self.azure, disk) for disk in disks} - {None}
        ends = [self._detach(holder, disks) for holder in sorted(filter(None, holders))]
        return all(ends)

    def _detach(self, vm_id: str, disks: Collection[ArmId]) -> bool:
        if self._is_busy(vm_id):
            return False
        leaving = [each for each in self._held(vm_id).values() if each in set(map(folded, disks))]
        if not leaving:
            return True

        def changed() -> None:
            self.loose.leaving.update(leaving)
            self.azure.begin(_key(vm_id))

        self.azure.write(f"detach disks of {vm_id}", changed)
        return False

    def _is_busy(self, vm_id: str) -> bool:
        """Look at the change that is under way; what it detaches is the worker's until its end."""
        if self.azure.under_way(_key(vm_id)) and not self.azure.ended(_key(vm_id)):
            return True
        for disk in [each for each in self._held(vm_id).values() if each in self.loose.leaving]:
            self.loose.leaving.discard(disk)
            del self.loose.on_workers[disk]
        return False

    def _held(self, vm_id: str) -> dict[int, str]:
        on_workers = self.loose.on_workers.items()
        return {lun: disk for disk, (holder, lun) in on_workers if holder == folded(vm_id)}

    def _check(self, vm_id: ArmId, disk: str) -> None:
        """Refuse what Azure does: a disk that is not there, or that another VM has."""
        what = f"attaching {name_of(ArmId(disk))} to {vm_id}"
        copy = self.loose.copies.get(disk)
        if copy is None or not copy.ready:
            raise self._refused(what, "it is not there")
        holder = self.loose.worker_of(self.azure, ArmId(disk))
        if holder is not None or any(
            folded(each.id) == disk
            for machine in self.azure.machines.values()
            for each in machine.disks
        ):
            raise self._refused(what, "another VM has it")

    def _refused(self, what: str, why: str) -> VmbackupError:
        return self.azure.refused(what, "AttachDiskWhileBeingDetached", why)


def _key(vm_id: str) -> str:
    return f"disks of {folded(vm_id)}"
