"""The world's Azure behind Azure's limits: each call asks what the product's adapters ask.

The adapters' own ways are taken where they decide how much is asked: looks are shared, operations
run in the background, and every request goes by the pacing. What the doubles compute is the
world's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from typing_extensions import override

from tests.worlds.memory_azure import LOOKS, Azure
from tests.worlds.memory_machines import MemoryMachines
from tests.worlds.memory_regions import MemoryDiskAccesses, MemoryRegions
from tests.worlds.memory_snapshots import MemorySnapshots
from tools.bench.limits import ResourceManager
from tools.bench.turned_time import ComputedClock
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.shared_reads import Group, SharedReads, group, group_of
from vmbackup_operator.sessions import ports, region_ports, seen
from vmbackup_operator.sessions.keys import KeyRing

T = TypeVar("T")

#: How many resources Azure puts on one page of a list; an assumption.
PAGE = 1000
#: Between two questions after an operation, as Azure's Retry-After has it; an assumption.
POLL_S = 2.0


@dataclass(frozen=True)
class Surroundings:
    """What all adapters of the bench share."""

    azure: Azure
    clock: ComputedClock
    manager: ResourceManager
    reads: SharedReads
    operations: Operations

    async def world(self, call: Awaitable[T]) -> T:
        """Return what a double answers, which never waits."""
        with self.clock.in_the_world():
            return await call

    async def until(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what a double answers once it has been looked at often enough.

        What that takes Azure has been waited for by then.
        """
        for _ in range(2 * LOOKS):
            if answer := await self.world(call()):
                return answer
        return await self.world(call())

    async def find(self, resource_id: str, kind: str) -> None:
        """Look at one resource, or share somebody's look."""

        async def ask() -> None:
            await self.manager.send("GET", resource_id, kind)

        await self.reads.read(group_of(ArmId(resource_id)), f"find {folded(resource_id)}", ask)

    async def list(self, where: Group, kind: str, count: int, about: ArmId | None = None) -> None:
        """Look at the list of *count* resources, page by page, or share somebody's look."""
        url = f"/subscriptions/{where.subscription}/resourceGroups/{where.name}"
        resource = f"{url}/providers/Microsoft.Compute/{kind}"

        async def ask() -> None:
            for _ in range(max(1, -(-count // PAGE))):
                await self.manager.send("GET", resource, f"list {kind}")

        await self.reads.read(where, f"list {kind}", ask, about)

    async def write(self, method: str, resource_id: str, kind: str, *, polls: int = 0) -> None:
        """Write, and follow the operation for so many questions; what was read is forgotten."""
        where = group_of(ArmId(resource_id))
        self.reads.forget(where, ArmId(resource_id))
        await self.manager.send(method, resource_id, kind)
        self.reads.forget(where, ArmId(resource_id))
        for _ in range(polls):
            await asyncio.sleep(POLL_S)
            await self.manager.send("GET", resource_id, "operation")
        self.reads.forget(where, ArmId(resource_id))

    async def advance(
        self, key: str, begin: Callable[[], Awaitable[T]], lasts_s: float | None = None
    ) -> T | None:
        """Have *begin* run in the background, as the product's operations do."""
        return await self.operations.advance(key, begin, lasts_s)


class LimitedMachines(ports.VirtualMachines):
    """A VM is read with its disks and its interface."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._double = MemoryMachines(around.azure)

    @override
    async def find(self, vm_id: ArmId) -> seen.VirtualMachineSeen | None:
        await self._around.find(vm_id, "virtualMachines")
        found = await self._around.world(self._double.find(vm_id))
        if found is not None:
            reads = [self._around.find(disk.id, "disks") for disk in found.disks]
            await asyncio.gather(*reads, self._around.find(f"{vm_id}-nic", "networkInterfaces"))
        return found


class LimitedSnapshots(ports.Snapshots):
    """Snapshots are looked at by the list of their group."""

    def __init__(self, around: Surroundings, ring: KeyRing) -> None:
        self._around = around
        self._double = MemorySnapshots(around.azure, ring)

    @override
    async def find(self, snapshot_id: ArmId) -> seen.SnapshotSeen | None:
        await self._list(group_of(snapshot_id), snapshot_id)
        return await self._around.world(self._double.find(snapshot_id))

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[seen.SnapshotSeen]:
        await self._list(group(subscription_id, resource_group))
        with self._around.clock.in_the_world():
            # All are the appliance's, in its one group: the double would look at each of thousands.
            return list(self._around.azure.snapshots.values())

    @override
    async def request(self, wanted: seen.SnapshotWanted) -> None:
        if await self.find(wanted.id) is not None:
            return

        async def begin() -> bool:
            await self._around.write("PUT", wanted.id, "snapshots")
            await self._around.world(self._double.request(wanted))
            return True

        await self._around.advance(f"take {folded(wanted.id)}", begin)

    @override
    async def associate(self, snapshot_id: ArmId, disk_access_id: ArmId | None) -> bool:
        key = f"associate {folded(snapshot_id)}"
        if not self._around.operations.under_way(key):
            found = await self.find(snapshot_id)
            if found is not None and not found.ready:
                return False
            tied = "" if found is None else found.disk_access_id or ""
            if tied and same_id(tied, disk_access_id or ""):
                return True

        async def begin() -> bool:
            await self._around.write("PATCH", snapshot_id, "snapshots")
            await self._around.world(self._double.associate(snapshot_id, disk_access_id))
            return True

        await self._around.advance(key, begin)
        return False

    @override
    async def grant(self, snapshot_id: ArmId, duration_s: int) -> seen.SecretUrl | None:
        async def begin() -> seen.SecretUrl | None:
            await self._around.write("POST", snapshot_id, "snapshots/beginGetAccess", polls=2)
            return await self._around.until(lambda: self._double.grant(snapshot_id, duration_s))

        return await self._around.advance(f"grant {folded(snapshot_id)}", begin, duration_s)

    @override
    async def revoke(self, snapshot_id: ArmId) -> bool:
        key = f"revoke {folded(snapshot_id)}"
        if not self._around.operations.under_way(key) and await self.find(snapshot_id) is None:
            return True

        async def begin() -> bool:
            await self._around.write("POST", snapshot_id, "snapshots/endGetAccess", polls=2)
            return await self._around.until(lambda: self._double.revoke(snapshot_id))

        return await self._around.advance(key, begin) or False

    @override
    async def delete(self, snapshot_id: ArmId) -> bool:
        key = f"delete {folded(snapshot_id)}"
        if not self._around.operations.under_way(key):
            if await self.find(snapshot_id) is None:
                return True
            if self._around.azure.under_way(key):
                return False  # Azure is at it, as the snapshot's state tells

        async def begin() -> bool:
            await self._around.write("DELETE", snapshot_id, "snapshots")
            await self._around.world(self._double.delete(snapshot_id))
            return True

        await self._around.advance(key, begin)
        return False

    @override
    async def seal(self, snapshot_id: ArmId, tags: Mapping[str, str]) -> bool:
        key = f"seal {folded(snapshot_id)}"

        async def begin() -> bool:
            await self._around.write("PATCH", snapshot_id, "snapshots")
            return await self._around.until(lambda: self._double.seal(snapshot_id, tags))

        return await self._around.advance(key, begin) or False

    async def _list(self, where: Group, about: ArmId | None = None) -> None:
        await self._around.list(where, "snapshots", len(self._around.azure.snapshots), about)


class LimitedDiskAccesses(region_ports.DiskAccesses):
    """A disk access is read, and made with its endpoint and that one's records."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._double = MemoryDiskAccesses(around.azure)

    @override
    async def of_region(self, region: seen.Region) -> Sequence[seen.DiskAccessSeen]:
        where = group(region.subscription_id, region.resource_group)
        await self._around.list(where, "diskAccesses", 1)
        return await self._around.world(self._double.of_region(region))

    @override
    async def ensure(self, region: seen.Region, access: ArmId) -> seen.DiskAccessSeen:
        there = await self._around.world(self._double.of_region(region))
        found = await self._around.world(self._double.ensure(region, access))
        await self._around.find(found.id, "diskAccesses")
        if not any(same_id(each.id, found.id) for each in there):
            for kind in ("diskAccesses", "privateEndpoints", "privateDnsZoneGroups"):
                await self._around.write("PUT", found.id, kind, polls=1)
        return found


class LimitedRegions(region_ports.Regions):
    """A region is passed over once a minute for all who ask."""

    #: What one pass over a region that stands reads; the bench of single sessions counts it.
    PASS_READS = 12
    PASS_S = 60.0

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._double = MemoryRegions(around.azure)
        self._passed_s: dict[str, float] = {}

    @override
    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> seen.Region | Waiting:
        now_s = self._around.clock.monotonic_s()
        if now_s - self._passed_s.get(region, -self.PASS_S) >= self.PASS_S:
            self._passed_s[region] = now_s
            for number in range(self.PASS_READS):
                resource = f"/subscriptions/{subscription_id}/resourceGroups/{region}/{number}"
                await self._around.manager.send("GET", resource, "region")
        return await self._around.world(
            self._double.ensure(subscription_id, region, repository_accounts, not_before)
        )

    @override
    async def exports_refused(self, region: str) -> str:
        return await self._double.exports_refused(region)

    @override
    async def worker_size(self, region: str) -> str:
        return await self._double.worker_size(region)
