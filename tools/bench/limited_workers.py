"""Worker VMs, their Run Commands and the queues of the world, behind limits and latencies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from typing_extensions import override

from tests.worlds.memory_queues import MemoryQueues
from tests.worlds.memory_workers import MemoryCommands, MemoryWorkers
from tests.worlds.samples import RING
from tools.bench.limited_azure import Surroundings
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.shared_reads import Group, group, group_of
from vmbackup_operator.sessions import ports, seen
from vmbackup_operator.sessions.keys import KeyRing

#: How long queues take to answer; an assumption.
QUEUE_S = 0.015


class LimitedWorkers(ports.Workers):
    """Workers are looked at by the list of their group; what is begun is followed to its end."""

    def __init__(self, around: Surroundings, ring: KeyRing) -> None:
        self._around = around
        self._double = MemoryWorkers(around.azure, ring)

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[seen.WorkerSeen]:
        await self._list(group(subscription_id, resource_group))
        return await self._around.world(self._double.of_group(subscription_id, resource_group))

    @override
    async def find(self, vm_id: ArmId) -> seen.WorkerSeen | None:
        await self._list(group_of(vm_id), vm_id)
        return await self._around.world(self._double.find(vm_id))

    @override
    async def ensure(self, wanted: seen.WorkerWanted) -> seen.WorkerSeen:
        key = f"launch {folded(wanted.vm_id)}"
        if not self._around.operations.under_way(key):
            found = await self.find(wanted.vm_id)
            if found is not None and found.state != "creating":
                return found

        async def begin() -> seen.WorkerSeen:
            await self._around.write("PUT", f"{wanted.vm_id}-nic", "networkInterfaces", polls=1)
            await self._around.write("PUT", wanted.vm_id, "virtualMachines", polls=4)
            made = await self._around.world(self._double.ensure(wanted))
            while made.state == "creating":
                made = await self._around.world(self._double.ensure(wanted))
            return made

        launched = await self._around.advance(key, begin)
        return launched or seen.WorkerSeen(wanted.vm_id, wanted.id, "creating", None)

    @override
    async def start(self, vm_id: ArmId) -> bool:
        key = f"start {folded(vm_id)}"
        if not self._around.operations.under_way(key):
            found = await self.find(vm_id)
            if found is None or found.state == "running":
                return found is not None

        async def begin() -> bool:
            await self._around.write("POST", vm_id, "virtualMachines/start", polls=2)
            return await self._around.until(lambda: self._double.start(vm_id))

        return await self._around.advance(key, begin) or False

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        key = f"deallocate {folded(vm_id)}"
        if not self._around.operations.under_way(key):
            found = await self.find(vm_id)
            if found is None or found.state == "deallocated":
                return True

        async def begin() -> bool:
            await self._around.write("POST", vm_id, "virtualMachines/deallocate", polls=2)
            return await self._around.until(lambda: self._double.deallocate(vm_id))

        return await self._around.advance(key, begin) or False

    @override
    async def delete(self, vm_id: ArmId) -> bool:
        await self._list(group_of(vm_id), vm_id)
        if await self._around.world(self._double.find(vm_id)) is None:
            return True

        async def begin() -> bool:
            await self._around.write("DELETE", vm_id, "virtualMachines", polls=2)
            return await self._around.until(lambda: self._double.delete(vm_id))

        return await self._around.advance(f"delete {folded(vm_id)}", begin) or False

    @override
    async def seal(self, vm_id: ArmId) -> bool:
        await self._list(group_of(vm_id), vm_id)

        async def begin() -> bool:
            await self._around.write("PATCH", vm_id, "virtualMachines", polls=1)
            return await self._around.until(lambda: self._double.seal(vm_id))

        return await self._around.advance(f"seal {folded(vm_id)}", begin) or False

    async def _list(self, where: Group, about: ArmId | None = None) -> None:
        count = len(self._around.azure.workers)
        await self._around.list(where, "virtualMachines", count, about)


class LimitedCommands(ports.Commands):
    """Run Commands; *sent* is told of each that Azure has taken."""

    def __init__(self, around: Surroundings, sent: Callable[[seen.CommandWanted], None]) -> None:
        self._around = around
        self._double = MemoryCommands(around.azure, MemoryWorkers(around.azure, RING))
        self._sent = sent

    @override
    async def find(self, vm_id: ArmId, name: str) -> seen.CommandSeen | None:
        await self._around.find(f"{vm_id}/runCommands/{name}", "virtualMachines/runCommands")
        return await self._around.world(self._double.find(vm_id, name))

    @override
    async def run(self, wanted: seen.CommandWanted) -> None:
        command = f"{wanted.vm_id}/runCommands/{wanted.name}"
        key = f"run {folded(command)}"
        begun = self._around.operations.under_way(key)
        if not begun and await self.find(wanted.vm_id, wanted.name) is not None:
            return

        async def begin() -> bool:
            kind = "virtualMachines/runCommands"
            await self._around.write("PUT", command, kind, polls=1)
            await self._around.world(self._double.run(wanted))
            with self._around.clock.in_the_world():
                self._sent(wanted)
            return True

        await self._around.advance(key, begin)

    @override
    async def delete(self, vm_id: ArmId, name: str) -> None:
        command = f"{vm_id}/runCommands/{name}"
        key = f"delete {folded(command)}"
        begun = self._around.operations.under_way(key)
        if not begun and await self.find(vm_id, name) is None:
            return

        async def begin() -> bool:
            await self._around.write("DELETE", command, "virtualMachines/runCommands", polls=1)
            await self._around.world(self._double.delete(vm_id, name))
            return True

        await self._around.advance(key, begin)


class LimitedQueues(ports.Queues):
    """Queues take a moment; *arrived* is told of each that a message was put into."""

    def __init__(
        self, around: Surroundings, double: MemoryQueues, arrived: Callable[[str], None]
    ) -> None:
        self._around = around
        self._double = double
        self._arrived = arrived
        self.requests: Counter[str] = Counter()

    @override
    async def ensure(self, account: seen.Account, queue: str) -> bool:
        await self._ask("ensure")
        return await self._around.world(self._double.ensure(account, queue))

    @override
    async def delete(self, account: seen.Account, queue: str) -> None:
        await self._ask("delete")
        await self._around.world(self._double.delete(account, queue))

    @override
    async def delete_all(self, account: seen.Account, prefix: str) -> None:
        await self._ask("list")
        await self._around.world(self._double.delete_all(account, prefix))

    @override
    async def delete_spilled(self, account: seen.Account, prefix: str) -> None:
        await self._ask("list blobs")
        await self._around.world(self._double.delete_spilled(account, prefix))

    @override
    async def put(self, account: seen.Account, queue: str, text: str, lifetime_s: int) -> None:
        await self._ask("put")
        await self._around.world(self._double.put(account, queue, text, lifetime_s))
        with self._around.clock.in_the_world():
            self._arrived(queue)

    @override
    async def take(
        self, account: seen.Account, queue: str, lease_s: int
    ) -> Sequence[seen.Received]:
        await self._ask("take")
        return await self._around.world(self._double.take(account, queue, lease_s))

    @override
    async def remove(self, account: seen.Account, queue: str, received: seen.Received) -> None:
        await self._ask("remove")
        await self._around.world(self._double.remove(account, queue, received))

    @override
    async def spill(
        self, account: seen.Account, name: str, sealed: bytes, until: datetime
    ) -> seen.SecretUrl:
        await self._ask("spill")
        return await self._around.world(self._double.spill(account, name, sealed, until))

    async def _ask(self, what: str) -> None:
        self.requests[what] += 1
        await asyncio.sleep(QUEUE_S)
