"""A worker that holds its keys and lies: it stores what it likes, sealed as it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from msgspec.structs import replace as replace_said

from tests.unit.repository.control.commit_bench import (
    CHAIN,
    CommitBench,
    at_of,
    content_of,
    offered,
)
from tests.unit.repository.control.log_bench import RING
from tests.unit.repository.data.bench import noise
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.control.backup.committing import Offer
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.commits.commits import slots_taken
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.manifest import (
    IndexObject,
    Manifest,
    ShardLine,
    ShardLines,
    encode_manifest,
)
from vmbackup_core.repository.data.said import MIB, ManifestSaid
from vmbackup_core.repository.data.tables import SectionRows, encode_table
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_prune
from vmbackup_core.repository.primitives.envelope import Source, seal, within
from vmbackup_core.repository.primitives.identities import WritingSession, draw
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.names import index_name, manifest_name
from vmbackup_core.stores.memory import MemoryStore

BLOCKS = 64

TWO_EPOCHS = KeyRing(
    RING.repository,
    {**RING.masters, 2: Master(RING.repository, 2, b"2" * 32)},
    frozenset({1, 2}),
)

Sections = Callable[[list[SectionRows]], Sequence[SectionRows]]


@dataclass
class HostileWorker:
    """Begins with what an honest worker has written of *asked*."""

    bench: CommitBench
    asked: DiskAsked
    offer: Offer
    epoch: int = 1

    @property
    def data(self) -> MemoryStore:
        store = self.bench.places.data
        assert isinstance(store, MemoryStore)
        return store

    @property
    def keys(self) -> ChainKeys:
        return for_prune(self.bench.ring, CHAIN, self.epoch)

    @property
    def source(self) -> Source:
        master = self.bench.ring.of(self.epoch)
        return Source(self.bench.ring.repository, self.epoch, master.metadata(CHAIN))

    def manifest(self) -> Manifest:
        digest = bytes.fromhex(self.offer.sha256)
        return open_manifest(self.data, self.keys, self.offer.name, digest)

    def lines(self) -> list[ShardLine]:
        return list(self.manifest().lines)

    def names_base(self, at: int, **changes: object) -> Offer:
        """Put a manifest one of whose lines names another base."""
        lines = self.lines()
        lines[at] = replace(lines[at], base=replace(lines[at].base, **changes))  # type: ignore[arg-type]
        return self.names(lines)

    def says(self, **changes: object) -> Offer:
        """Put a manifest whose JSON differs."""
        manifest = self.manifest()
        return self.put(Manifest(self._said(manifest, **changes), manifest.objects, manifest.lines))

    def names(self, lines: Sequence[ShardLine], *objects: IndexObject) -> Offer:
        """Put a manifest with other lines, and with other index objects where any are given."""
        manifest = self.manifest()
        of = ShardLines.of(lines)
        return self.put(Manifest(manifest.said, objects or manifest.objects, of))

    def put(self, manifest: Manifest) -> Offer:
        """Put *manifest* in place of the honest one."""
        name = manifest_name(CHAIN, self.offer.named.slot, self.offer.named.session)
        payload = encode_manifest(manifest)
        sealed = seal("MANI", name, payload, self.source)
        self.data.overwrite(name, sealed)
        return offered(name, hashlib.sha256(sealed).hexdigest())

    def puts_table(self, change: Sections, row: int = -1) -> Offer:
        """Put the index object of a row again, with another table behind the same sections."""
        manifest = self.manifest()
        row %= len(manifest.objects)
        at = manifest.objects[row]
        reader = IndexReader(self.data, self.keys, manifest)
        return self.puts_payload(encode_table(change(list(reader.table(row).sections()))), at)

    def puts_payload(self, payload: bytes, at: IndexObject) -> Offer:
        """Put an index object again, with this payload as its table."""
        manifest, name = self.manifest(), index_name(CHAIN, at.index)
        sealed = seal("TABL", within(name, at.table_offset), payload, self.source)
        stored = self.data.get(name)[: at.table_offset] + sealed
        self.data.overwrite(name, stored)
        digest = hashlib.sha256(sealed).digest()
        made = IndexObject(at.index, len(stored), at.table_offset, digest)
        objects = tuple(made if each == at else each for each in manifest.objects)
        return self.put(Manifest(manifest.said, objects, manifest.lines))

    @staticmethod
    def _said(manifest: Manifest, **changes: object) -> ManifestSaid:
        return replace_said(manifest.said, **changes)


def other_session() -> WritingSession:
    return WritingSession(draw())


def second_attempt() -> tuple[CommitBench, HostileWorker]:
    """Return a worker that has changed one block of the first of two shards: a patch, one kept."""
    bench = CommitBench(parameters=Parameters(BLOCK, BLOCKS // 2 * BLOCK, MIB)).begun()
    first, content = bench.asked(1, blocks=BLOCKS), content_of(1, BLOCKS)
    committed = bench.commit(first, bench.write(first, content))
    asked = bench.asked(2, at_of(committed), BLOCKS)
    changed = noise(5, BLOCK) + content[BLOCK:]
    return bench, HostileWorker(bench, asked, bench.write(asked, changed))


def refused(bench: CommitBench, worker: HostileWorker, offer: Offer) -> LostAttempt:
    """Return why the attempt was lost; nothing took its slot."""
    with pytest.raises(LostAttempt) as lost:
        bench.commit(worker.asked, offer)
    assert list(slots_taken(bench.control, CHAIN)) == [1]
    return lost.value
