"""Azure's worker VMs and their Run Commands in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, Azure, Refused, recased
from vmbackup_core.ids import WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import has_tags
from vmbackup_operator.naming import APPLIANCE_TAG, WORKER_TAG, ArmId
from vmbackup_operator.services.shared_reads import group, group_of
from vmbackup_operator.sessions import ports, seen
from vmbackup_operator.sessions.keys import KeyRing

#: What ends as what, where something is under way.
_BECOMES: dict[seen.WorkerState, seen.WorkerState] = {
    "creating": "running",
    "starting": "running",
    "deallocating": "deallocated",
}


def put_worker(
    azure: Azure, ring: KeyRing, vm_id: ArmId, worker: WorkerId, state: seen.WorkerState
) -> None:
    """Have a worker of ours there, made by an operator that was before."""
    sealed = ring.ownership(APPLIANCE).sealed_tag(vm_id)
    tags = {APPLIANCE_TAG: APPLIANCE, WORKER_TAG: worker, **sealed}
    azure.worker_tags[folded(vm_id)] = tags
    azure.workers[folded(vm_id)] = seen.WorkerSeen(vm_id, worker, state, azure.clock.now())


def look_at(azure: Azure, vm_id: ArmId) -> seen.WorkerSeen | None:
    """Return the worker as it is now; each look brings what is under way nearer its end."""
    key = folded(vm_id)
    worker = azure.workers.get(key)
    if worker is None or not azure.under_way(f"worker {key}") or not azure.ended(f"worker {key}"):
        return worker
    if worker.state == "deleting":
        del azure.workers[key]
        azure.interfaces.discard(key)
        for command in [name for name in azure.commands if name[0] == key]:
            del azure.commands[command]
            azure.command_states.pop(command, None)
        return None
    state, failure = _BECOMES.get(worker.state, worker.state), None
    if worker.state == "creating" and key in azure.broken_workers:
        azure.broken_workers.discard(key)
        state, failure = "failed", "OSProvisioningTimedOut: the VM did not report"
    _put(azure, replace(worker, state=state, changed_at=azure.clock.now(), failure=failure))
    return azure.workers[key]


def _put(azure: Azure, worker: seen.WorkerSeen) -> None:
    azure.workers[folded(worker.vm_id)] = worker


class MemoryWorkers(ports.Workers):
    def __init__(self, azure: Azure, ring: KeyRing) -> None:
        self.azure, self.ownership = azure, ring.ownership(APPLIANCE)

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[seen.WorkerSeen]:
        where = group(subscription_id, resource_group)
        there = [each for each in map(ArmId, self.azure.workers) if group_of(each) == where]
        looked = [look_at(self.azure, each) for each in there]
        found = [
            replace(
                self._shown(worker),
                doubt=self.ownership.doubt(worker.vm_id, self._tags(worker.vm_id)),
                outdated=self._is_outdated(worker.vm_id),
            )
            for worker in looked
            if worker is not None and self._may_be_ours(worker.vm_id)
        ]
        return sorted(found, key=lambda worker: worker.id)

    @override
    async def find(self, vm_id: ArmId) -> seen.WorkerSeen | None:
        worker = self.proven(vm_id)
        return None if worker is None else self._shown(worker)

    @override
    async def ensure(self, wanted: seen.WorkerWanted) -> seen.WorkerSeen:
        key = folded(wanted.vm_id)
        if key not in self.azure.workers:
            if key not in self.azure.interfaces:
                self.azure.write(
                    f"interface {wanted.vm_id}", lambda: self.azure.interfaces.add(key)
                )
            made = seen.WorkerSeen(
                wanted.vm_id, wanted.id, "creating", self.azure.clock.now(), zone=wanted.zone
            )
            self.azure.worker_tags[key] = wanted.tags
            self._begin(f"worker {wanted.vm_id}", made)
        return self._shown(self.proven(wanted.vm_id) or self.azure.workers[key])

    @override
    async def start(self, vm_id: ArmId) -> bool:
        worker = self.proven(vm_id)
        if worker is None or worker.state != "deallocated":
            return worker is not None and worker.state == "running"
        self._begin(f"start {vm_id}", replace(worker, state="starting"))
        return False

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        worker = self.proven(vm_id)
        if worker is None or worker.state == "deallocated":
            return True
        if worker.state not in {"deallocating", "deleting"}:
            self._begin(f"deallocate {vm_id}", replace(worker, state="deallocating"))
        return False

    @override
    async def delete(self, vm_id: ArmId) -> bool:
        worker, key = self.proven(vm_id), folded(vm_id)
        if worker is None and key in self.azure.interfaces:
            what = f"delete interface {vm_id}"
            self.azure.write(what, lambda: self.azure.interfaces.discard(key))
            return False
        if worker is None:
            return True
        if worker.state != "deleting":
            self._begin(f"delete {vm_id}", replace(worker, state="deleting"))
        return False

    @override
    async def seal(self, vm_id: ArmId) -> bool:
        if self.proven(vm_id) is None or not self._is_outdated(vm_id):
            return True
        key, sealed = folded(vm_id), self.ownership.sealed_tag(vm_id)
        tags = {**self.azure.worker_tags[key], **sealed}
        self.azure.write(f"seal {vm_id}", lambda: self.azure.worker_tags.update({key: tags}))
        return False

    def proven(self, vm_id: ArmId) -> seen.WorkerSeen | None:
        """Look at the worker, or find none; refuse one that does not prove to be ours."""
        worker = look_at(self.azure, vm_id)
        if worker is not None:
            self.ownership.check_ours(vm_id, self._tags(vm_id))
        return worker

    def _is_outdated(self, vm_id: ArmId) -> bool:
        return not has_tags(self._tags(vm_id), self.ownership.sealed_tag(vm_id))

    def _may_be_ours(self, vm_id: ArmId) -> bool:
        tags = self._tags(vm_id)
        return self.ownership.owns(vm_id, tags) or self.ownership.lacks_key(tags)

    def _begin(self, what: str, worker: seen.WorkerSeen) -> None:
        """Have the worker on its way to another state, whatever it was on its way to."""

        def begun() -> None:
            _put(self.azure, worker)
            self.azure.begin(f"worker {folded(worker.vm_id)}")

        self.azure.write(what, begun)

    def _tags(self, vm_id: ArmId) -> dict[str, str]:
        return dict(self.azure.worker_tags.get(folded(vm_id), {}))

    def _shown(self, worker: seen.WorkerSeen) -> seen.WorkerSeen:
        return replace(worker, vm_id=recased(worker.vm_id))


class MemoryCommands(ports.Commands):
    def __init__(self, azure: Azure, workers: MemoryWorkers) -> None:
        self.azure, self.workers = azure, workers

    @override
    async def find(self, vm_id: ArmId, name: str) -> seen.CommandSeen | None:
        look_at(self.azure, vm_id)
        return self.azure.command_states.get((folded(vm_id), name))

    @override
    async def run(self, wanted: seen.CommandWanted) -> None:
        key = (folded(wanted.vm_id), wanted.name)
        worker = self.workers.proven(wanted.vm_id)
        if key in self.azure.command_states:
            return
        if worker is None or worker.state != "running":
            raise Refused(f"{wanted.vm_id} does not run")
        if sum(vm_id == key[0] for vm_id, _ in self.azure.command_states) >= 25:
            raise Refused(f"{wanted.vm_id} has 25 commands already")

        def sent() -> None:
            self.azure.commands[key] = wanted
            self.azure.command_states[key] = seen.CommandSeen("running")

        self.azure.write(f"command {wanted.name} on {wanted.vm_id}", sent)

    @override
    async def delete(self, vm_id: ArmId, name: str) -> None:
        if self.workers.proven(vm_id) is None:
            return  # it went with its VM
        key = (folded(vm_id), name)
        if key not in self.azure.command_states:
            return

        def deleted() -> None:
            del self.azure.commands[key], self.azure.command_states[key]

        self.azure.write(f"delete command {name} on {vm_id}", deleted)
