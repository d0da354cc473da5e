"""A disk's chain whose operator is the test: it gives grants by hand and opens what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, CommitSlot, RepositoryId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import DiskDone, DiskToBackUp
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import DiskGrant, LeftSession, ManifestAt, Parameters
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource, DataStore
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.repository.transfer import DiskSink, DiskSource
from vmbackup_core.stores.port import Buffer

REPOSITORY = RepositoryId("5e" * 16)
EPOCH = 1
MASTER = Master(REPOSITORY, EPOCH, bytes(range(32)))
RING = KeyRing(REPOSITORY, {EPOCH: MASTER}, frozenset({EPOCH}))
#: In blocks of it tests say what they expect to be read.
PARAMETERS = Parameters(block_bytes=256 * 1024)


class Target(DiskSink):
    """A disk in memory that is restored to."""

    def __init__(self, size_bytes: int) -> None:
        self.content = bytearray(size_bytes)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        self.content[offset : offset + len(data)] = data


@dataclass(frozen=True)
class HandMadeChain:
    """The chain of the disk called *name*."""

    name: str
    disk_bytes: int
    parameters: Parameters = PARAMETERS

    @property
    def chain(self) -> ChainId:
        return ChainId(hashlib.sha256(self.name.encode()).hexdigest()[:32])

    @property
    def disk_id(self) -> str:
        return f"/disks/{self.name}"

    def keys(self, run: RunId) -> ChainKeys:
        return chain_keys.for_backup(RING, self.chain, EPOCH, EPOCH, [(EPOCH, run)])

    def grant(
        self,
        run: RunId,
        slot: int = 1,
        *,
        newest: ManifestAt | None = None,
        left: Sequence[LeftSession] = (),
        deltas: bool = False,
    ) -> DiskGrant:
        """Return what lets *run* write the whole disk for *slot*."""
        return DiskGrant(
            generation=0,
            chain_epoch=EPOCH,
            parameters=self.parameters,
            run_id=run,
            slot=CommitSlot(slot),
            newest=newest,
            base=None,
            left=tuple(left),
            snapshot_unique_id=SnapshotUniqueId(f"{self.name}-{slot}"),
            taken_at=None,
            disk_bytes=self.disk_bytes,
            disk=SaidDisk(self.disk_id, f"unique-{self.name}", self.name, None),
            vm=SaidVm("/vms/db", "db", "westeurope"),
            deltas=deltas,
        )

    def disk(
        self, grant: DiskGrant, snapshot_url: str, predecessor_url: str | None = None
    ) -> DiskToBackUp:
        """Return the disk as a job has it."""
        keys = self.keys(grant.run_id).text
        return DiskToBackUp(self.chain, keys, grant, snapshot_url, predecessor_url)

    def opened(self, data: DataSource, done: DiskDone) -> Manifest:
        """Return the manifest that a worker has told of."""
        digest = bytes.fromhex(done.manifest_sha256)
        return open_manifest(data, self.reading(), done.manifest, digest)

    def restored(self, data: DataSource, done: DiskDone) -> bytes:
        """Return the disk as that manifest gives it back."""
        manifest = self.opened(data, done)
        target = Target(manifest.said.disk_bytes)
        restore_manifest(
            data,
            self.reading(),
            manifest,
            NothingHealed(),
            target,
            threads=2,
            progress=lambda _progress: None,
        )
        return bytes(target.content)

    def left(self, names: Iterable[str]) -> list[LeftSession]:
        """Return the sessions of the chain whose packs are among *names*, as an operator lists."""
        packs: dict[WritingSession, int] = {}
        for name in names:
            parsed = parse_data(name)
            if isinstance(parsed, PackName) and parsed.chain == self.chain:
                pack = parsed.pack
                packs[pack.session] = max(packs.get(pack.session, 0), pack.number + 1)
        return [LeftSession(session, EPOCH, count) for session, count in packs.items()]

    def reading(self) -> ChainKeys:
        """Return what opens all records of the chain."""
        return chain_keys.for_reading(RING, self.chain, EPOCH, EPOCH)


class Disk(DiskSource):
    """A disk in memory that is backed up."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = self.content[offset : offset + len(buffer)]


def written(
    chain: HandMadeChain, data: DataStore, grant: DiskGrant, content: bytes, threads: int = 1
) -> DiskDone:
    """Have *content* written as an honest worker does; return what it tells."""
    disk = DiskToRead(Disk(content), [Extent(0, len(content))])
    done = write_disk(
        data, chain.keys(grant.run_id), grant, disk, threads=threads, progress=lambda _now: None
    )
    return DiskDone(
        chain.disk_id, done.manifest, done.sha256, done.statistics, 0, len(content), 1.0
    )


def committed(done: DiskDone, slot: int = 1) -> ManifestAt:
    """Return the manifest of *done* as the newest of its chain."""
    return ManifestAt(done.manifest, done.manifest_sha256, CommitSlot(slot))
