"""What the repository's tests work with: disks in memory, runs, and a repository of small parts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository import (
    Chain,
    ChainParameters,
    CommittedDisk,
    RecoveryPoint,
    RecoveryPointDisk,
    Repository,
    RepositoryKey,
    back_up_disk,
    initialise,
    open_chain,
)
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer, Store

BLOCK = 4096
SHARD = 16 * BLOCK
PACK = 5 * BLOCK
SMALL = ChainParameters(block_bytes=BLOCK, shard_bytes=SHARD)
DISK = DiskUniqueId("6f9619ff-8b86-d011-b42d-00c04fc964ff")


class MemoryDisk:
    """A disk whose bytes are in memory; notes what was read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reads: list[Extent] = []

    def read_into(self, offset: int, buffer: memoryview) -> None:
        assert offset + len(buffer) <= len(self.content)
        self.reads.append(Extent(offset, len(buffer)))
        buffer[:] = self.content[offset : offset + len(buffer)]


class MemorySink:
    """A disk of zeros that is restored to; notes which bytes were written, none twice."""

    def __init__(self, size: int) -> None:
        self.content = bytearray(size)
        self.written: set[int] = set()

    def write_at(self, offset: int, data: Buffer) -> None:
        assert offset not in self.written
        assert offset + len(data) <= len(self.content)
        self.written.add(offset)
        self.content[offset : offset + len(data)] = data


def run_id(number: int) -> RunId:
    return RunId(f"{number:032x}")


def snapshot_of(number: int) -> SnapshotUniqueId:
    """Return what run *number*'s snapshot is told by."""
    return SnapshotUniqueId(f"snapshot-{number}")


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - content, no secret


def whole(content: bytes) -> list[Extent]:
    return [Extent(0, len(content))]


@dataclass
class Bench:
    """A repository in memory with one disk's chain."""

    store: Store
    key: RepositoryKey
    repository: Repository

    def chain(self, store: Store | None = None, *, disk: DiskUniqueId = DISK) -> Chain:
        chain_id = self.repository.chain_id(disk)
        return open_chain(
            store or self.store,
            chain_id,
            self.repository.chain_keys(chain_id),
            parameters=SMALL,
            run_id=run_id(1),
        )

    def back_up(  # noqa: PLR0913 - what a test varies
        self,
        number: int,
        content: bytes,
        *,
        extents: Iterable[Extent] | None = None,
        base: CommitSlot | None = None,
        store: Store | None = None,
        threads: int = 1,
        snapshot: SnapshotUniqueId | None = None,
        chain: Chain | None = None,
    ) -> CommittedDisk:
        return back_up_disk(
            chain or self.chain(store),
            MemoryDisk(content),
            run_id=run_id(number),
            snapshot=snapshot or snapshot_of(number),
            disk_bytes=len(content),
            extents=whole(content) if extents is None else extents,
            base=base,
            threads=threads,
            pack_bytes=PACK,
        )

    def point(self, number: int, committed: CommittedDisk, size: int) -> RecoveryPoint:
        disk = RecoveryPointDisk(
            disk_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/os",
            name="os",
            lun=None,
            size_bytes=size,
            unique_id=DISK,
            chain_id=self.repository.chain_id(DISK),
            slot=committed.slot,
            commit_digest=committed.commit_digest,
            snapshot_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/snapshots/1",
            read_bytes=committed.read_bytes,
            stored_bytes=committed.stored_bytes,
            snapshot_unique_id=snapshot_of(number),
        )
        return RecoveryPoint(
            run_id=run_id(number),
            appliance_id=self.repository.appliance_id,
            vm_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v",
            vm_name="v",
            vm_region="westeurope",
            vm_description='{"hardwareProfile":{"vmSize":"Standard_D2s_v5"}}',
            created_at=datetime(2026, 11, 22, 11, 0, tzinfo=UTC),
            policy_namespace="backup",
            policy_name="daily",
            retention='{"daily":7}',
            kind=committed.kind,
            disks=(disk,),
        )

    def record(self, number: int, committed: CommittedDisk, size: int) -> RecoveryPoint:
        point = self.point(number, committed, size)
        self.repository.record_point(point)
        return point

    def restored(self, point: RecoveryPoint, *, threads: int = 1) -> bytes:
        sink = MemorySink(point.disks[0].size_bytes)
        self.repository.restore_disk(point, point.disks[0], sink, threads=threads)
        return bytes(sink.content)

    def names(self, kind: str) -> list[str]:
        """Return the names of the chain's objects of *kind*: p, i, m, k."""
        prefix = f"c/{self.repository.chain_id(DISK)}/{kind}/"
        return [each.name for each in self.store.list(prefix)]


class StandingClock:
    """A clock that shows one moment."""

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return 0.0


def new_bench() -> Bench:
    """Return one with a repository that nothing is in yet."""
    store, key = MemoryStore(), RepositoryKey(bytes(range(32)))
    return Bench(store, key, initialise(store, key, appliance_id="home", clock=StandingClock()))


def copy_of(store: Store) -> MemoryStore:
    copied = MemoryStore()
    for each in store.list(""):
        copied.put_new(each.name, store.get(each.name))
    return copied
