"""Azure's worker VMs, their Run Commands and the agent's bundle in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, LOOKS, Azure, Refused
from vmbackup_operator.arm_tags import has_tags
from vmbackup_operator.naming import APPLIANCE_TAG, WORKER_TAG, ArmId, resource_group_of
from vmbackup_operator.sessions import ports, seen
from vmbackup_operator.sessions.keys import KeyRing


class MemoryWorkers(ports.Workers):
    def __init__(self, azure: Azure, ring: KeyRing) -> None:
        self.azure, self.ownership = azure, ring.ownership(APPLIANCE)

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[seen.WorkerSeen]:
        found = [
            replace(
                worker, doubt=self._doubt(worker.vm_id), outdated=self._is_outdated(worker.vm_id)
            )
            for worker in self.azure.workers.values()
            if resource_group_of(worker.vm_id) == resource_group and self._may_be_ours(worker)
        ]
        return sorted(found, key=lambda worker: worker.id)

    @override
    async def find(self, vm_id: ArmId) -> seen.WorkerSeen | None:
        self.check_ours(vm_id)
        return self.azure.workers.get(vm_id.lower())

    @override
    async def ensure(self, wanted: seen.WorkerWanted) -> seen.WorkerSeen:
        key = wanted.vm_id.lower()
        if wanted.tags[WORKER_TAG] != wanted.id or wanted.tags[APPLIANCE_TAG] != APPLIANCE:
            raise Refused("tags of somebody else")
        if key not in self.azure.workers:
            made = seen.WorkerSeen(wanted.vm_id, wanted.id, "creating", self.azure.clock.now())
            self.azure.worker_tags[key] = wanted.tags
            self.azure.write(f"worker {wanted.vm_id}", lambda: self._put(made))
        self.check_ours(wanted.vm_id)
        worker = self.azure.workers[key]
        if worker.state == "creating" and self.azure.settled(f"create {key}"):
            broken = key in self.azure.broken_workers
            self.azure.broken_workers.discard(key)
            self._put(replace(worker, state="failed" if broken else "running"))
        return self.azure.workers[key]

    @override
    async def start(self, vm_id: ArmId) -> bool:
        self.check_ours(vm_id)
        worker = self._get(vm_id)
        if worker.state == "deallocated":
            self.azure.write(f"start {vm_id}", lambda: self._put(replace(worker, state="running")))
        return self._get(vm_id).state == "running"

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        self.check_ours(vm_id)
        worker = self.azure.workers.get(vm_id.lower())
        if worker is None or worker.state == "deallocated":
            return True
        stopped = replace(worker, state="deallocated", changed_at=self.azure.clock.now())
        self.azure.write(f"deallocate {vm_id}", lambda: self._put(stopped))
        return False

    @override
    async def delete(self, vm_id: ArmId) -> bool:
        key = vm_id.lower()
        if key not in self.azure.workers:
            return True
        self.check_ours(vm_id)

        def deleted() -> None:
            del self.azure.workers[key]
            for command in [name for name in self.azure.commands if name[0] == key]:
                del self.azure.commands[command]
                self.azure.command_states.pop(command, None)

        self.azure.write(f"delete {vm_id}", deleted)
        return False

    @override
    async def seal(self, vm_id: ArmId) -> bool:
        self.check_ours(vm_id)
        if not self._is_outdated(vm_id):
            return True
        key, sealed = vm_id.lower(), self.ownership.sealed_tag(vm_id)
        tags = {**self.azure.worker_tags[key], **sealed}
        self.azure.write(f"seal {vm_id}", lambda: self.azure.worker_tags.update({key: tags}))
        return False

    def _is_outdated(self, vm_id: ArmId) -> bool:
        tags = self.azure.worker_tags.get(vm_id.lower())
        return tags is not None and not has_tags(tags, self.ownership.sealed_tag(vm_id))

    def check_ours(self, vm_id: ArmId) -> None:
        """Refuse what does not prove to be ours; a VM that a test put there is, without tags."""
        key = vm_id.lower()
        if key in self.azure.workers and key in self.azure.worker_tags:
            self.ownership.check_ours(vm_id, self.azure.worker_tags[key])

    def _doubt(self, vm_id: ArmId) -> str:
        tags = self.azure.worker_tags.get(vm_id.lower())
        return "" if tags is None else self.ownership.doubt(vm_id, tags)

    def _may_be_ours(self, worker: seen.WorkerSeen) -> bool:
        tags = self.azure.worker_tags.get(worker.vm_id.lower(), {})
        return not self._doubt(worker.vm_id) or self.ownership.lacks_key(tags)

    def _get(self, vm_id: ArmId) -> seen.WorkerSeen:
        if vm_id.lower() not in self.azure.workers:
            raise Refused(f"{vm_id} does not exist")
        return self.azure.workers[vm_id.lower()]

    def _put(self, worker: seen.WorkerSeen) -> None:
        self.azure.workers[worker.vm_id.lower()] = worker


class MemoryCommands(ports.Commands):
    def __init__(self, azure: Azure, workers: MemoryWorkers) -> None:
        self.azure, self.workers = azure, workers

    @override
    async def find(self, vm_id: ArmId, name: str) -> seen.CommandSeen | None:
        return self.azure.command_states.get((vm_id.lower(), name))

    @override
    async def run(self, wanted: seen.CommandWanted) -> None:
        worker = self.azure.workers.get(wanted.vm_id.lower())
        if worker is None or worker.state != "running":
            raise Refused(f"{wanted.vm_id} does not run")
        self.workers.check_ours(wanted.vm_id)
        key = (wanted.vm_id.lower(), wanted.name)

        def sent() -> None:
            self.azure.commands[key] = wanted
            self.azure.command_states[key] = seen.CommandSeen("running")

        self.azure.write(f"command {wanted.name} on {wanted.vm_id}", sent)

    @override
    async def delete(self, vm_id: ArmId, name: str) -> None:
        self.workers.check_ours(vm_id)
        self.azure.commands.pop((vm_id.lower(), name), None)
        self.azure.command_states.pop((vm_id.lower(), name), None)


class MemoryBundles(ports.Bundles):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def ensure(self, region: seen.Region) -> seen.BundleStored | None:
        if region.account.id not in self.azure.bundles:
            self.azure.write(
                f"bundle {region.account.id}",
                lambda: self.azure.bundles.update({region.account.id: 0}),
            )
        self.azure.bundles[region.account.id] += 1
        if self.azure.bundles[region.account.id] <= LOOKS:
            return None
        return seen.BundleStored("bundle", "0123456789abcdef", "f" * 64)
