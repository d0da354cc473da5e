"""A chain in memory, written and read as workers do: blocks of 4 KiB, shards of 64 of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from tests.unit.repository import known_values
from tests.unit.repository.data.samples import BLOCK, SHARD, seeded
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.data.block_reader import Healed
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.grants import (
    BadObject,
    DiskGrant,
    LeftSession,
    ManifestAt,
    Parameters,
)
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.restore import Holes, restore_manifest
from vmbackup_core.repository.data.said import MIB, SaidDisk, SaidVm
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.repository.transfer import DiskSink, DiskSource, Progress
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer

CHAIN = known_values.CHAIN
PARAMETERS = Parameters(BLOCK, SHARD, MIB)


class DataMemory(MemoryStore):
    """The data place in memory, and what was read of it by range."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[str] = []

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.ranges.append(name)
        return super().get_range(name, offset, length)

    def replace(self, name: str, content: bytes) -> None:
        self.delete(name)
        self.put_new(name, content)

    def names(self, folder: str, slot: int | None = None) -> list[str]:
        """Return the names of the chain's objects in *folder*: p, i, m or h."""
        prefix = f"c/{CHAIN}/{folder}/"
        if slot is not None:
            prefix += f"{slot:08x}"[:5] + "/" + f"{slot:08x}"[5:] + "/"
        return [each.name for each in self.list(prefix)]


class Disk(DiskSource):
    """A disk's bytes, and how many of them were read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.bytes_read = 0
        self.reads: list[tuple[int, int]] = []

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        if offset + len(buffer) > len(self.content):
            raise AssertionError("read behind the disk's end")
        buffer[:] = self.content[offset : offset + len(buffer)]
        self.bytes_read += len(buffer)
        self.reads.append((offset, len(buffer)))


class Target(DiskSink):
    """A disk being restored; whatever is not written is zero."""

    def __init__(self, length: int) -> None:
        self.content = bytearray(length)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        self.content[offset : offset + len(data)] = data


@dataclass(frozen=True, slots=True)
class Written:
    """A manifest and what it is said to describe."""

    at: ManifestAt
    content: bytes
    done: WrittenDisk


def noise(seed: int, length: int) -> bytes:
    return seeded(seed).randbytes(length)


def ring(epochs: int = 1) -> KeyRing:
    every = range(1, epochs + 1)
    masters = {
        epoch: Master(known_values.REPOSITORY, epoch, bytes([epoch]) * 32) for epoch in every
    }
    return KeyRing(known_values.REPOSITORY, masters, frozenset(every))


def silent(_progress: Progress) -> None:
    return


@dataclass
class Bench:
    store: DataMemory = field(default_factory=DataMemory)
    epochs: int = 1
    threads: int = 1
    _slots: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def writer_keys(self, run: RunId, epochs: Sequence[int] = ()) -> ChainKeys:
        runs = [(epoch, run) for epoch in (*epochs, self.epochs)]
        return chain_keys.for_backup(ring(self.epochs), CHAIN, 1, self.epochs, runs)

    def reader_keys(self) -> ChainKeys:
        return chain_keys.for_reading(ring(self.epochs), CHAIN, 1, self.epochs)

    def grant(  # noqa: PLR0913 - each test names what it is about
        self,
        slot: int,
        disk_bytes: int,
        *,
        newest: Written | None = None,
        base: Written | None = None,
        run: int | None = None,
        bad: Sequence[BadObject] = (),
        left: Sequence[LeftSession] = (),
        deltas: bool = False,
    ) -> DiskGrant:
        return DiskGrant(
            generation=0,
            chain_epoch=1,
            parameters=PARAMETERS,
            run_id=run_of(slot if run is None else run),
            slot=CommitSlot(slot),
            newest=None if newest is None else newest.at,
            base=None if base is None else base.at,
            bad=tuple(bad),
            left=tuple(left),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{slot}"),
            taken_at=None,
            disk_bytes=disk_bytes,
            disk=SaidDisk("disk id", "unique", "name", None),
            vm=SaidVm("vm id", "name", "region"),
            deltas=deltas,
        )

    def write(
        self,
        grant: DiskGrant,
        content: bytes,
        extents: Iterable[Extent] | None = None,
        *,
        predecessor: bytes | Disk | None = None,
        store: DataStore | None = None,
        keys: ChainKeys | None = None,
    ) -> Written:
        disk = DiskToRead(
            Disk(content),
            [Extent(0, len(content))] if extents is None else list(extents),
            Disk(predecessor) if isinstance(predecessor, bytes) else predecessor,
        )
        keys = keys or self.writer_keys(grant.run_id, [each.epoch for each in grant.left])
        done = write_disk(
            store or self.store, keys, grant, disk, threads=self.threads, progress=silent
        )
        return Written(
            ManifestAt(done.manifest, done.sha256, CommitSlot(grant.slot)), content, done
        )

    def manifest(self, written: Written) -> Manifest:
        keys = self.reader_keys()
        return open_manifest(self.store, keys, written.at.name, bytes.fromhex(written.at.sha256))

    def index(self, written: Written) -> IndexReader:
        return IndexReader(self.store, self.reader_keys(), self.manifest(written))

    def restore(
        self, written: Written, *, healed: Healed | None = None, keep_going: bool = False
    ) -> tuple[bytes, Holes]:
        manifest = self.manifest(written)
        target = Target(manifest.said.disk_bytes)
        holes = restore_manifest(
            self.store,
            self.reader_keys(),
            manifest,
            healed or NothingHealed(),
            target,
            keep_going=keep_going,
            threads=self.threads,
            progress=silent,
        )
        return bytes(target.content), holes

    def left(self, slot: int, epoch: int = 1) -> list[LeftSession]:
        """Return the sessions that have stored packs for *slot*, as the operator lists them."""
        packs: dict[WritingSession, int] = {}
        for name in self.store.names("p", slot):
            pack = pack_of(name)
            packs[pack.session] = max(packs.get(pack.session, 0), pack.number + 1)
        return [LeftSession(session, epoch, count) for session, count in packs.items()]


def pack_of(name: str) -> PackId:
    parsed = parse_data(name)
    if not isinstance(parsed, PackName):
        raise TypeError(f"{name} is no pack")
    return parsed.pack


def run_of(number: int) -> RunId:
    return RunId(f"{number:032x}")


def changes(before: bytes, after: bytes) -> list[Extent]:
    """Return the blocks that differ, as a changed block tracker would."""
    ends = range(0, len(after), BLOCK)
    return [
        Extent(at, len(after[at : at + BLOCK]))
        for at in ends
        if before[at : at + BLOCK] != after[at : at + BLOCK]
    ]
