"""Tables and sections, each opened once; where data is read, their entries against the packs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check.entries import EntryCheck
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest, SectionRef, ShardLine
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.primitives.names import index_name

#: What tells a shard as one manifest gives it from any other of its chain.
LineKey = tuple[int, bytes, bytes, int, int]


@dataclass
class IndexCheck:
    """Opens the tables and shards of a chain's manifests; *entries* is there where data is read."""

    data: DataSource
    chain: ChainId
    seen: Observations
    entries: EntryCheck | None
    _tables: set[bytes] = field(default_factory=set)
    _lines: set[LineKey] = field(default_factory=set)
    _objects: set[str] = field(default_factory=set)

    def look(self, manifest: Manifest, index: IndexReader) -> None:
        """Open what no manifest before has named."""
        self._look_at_tables(manifest, index)
        for line in manifest.lines:
            key = key_of(manifest, line)
            if key not in self._lines:
                self._lines.add(key)
                self._look_at_shard(manifest, index, line)
        self.seen.counts.indexes = len(self._objects)

    def _look_at_tables(self, manifest: Manifest, index: IndexReader) -> None:
        for row, at in enumerate(manifest.objects):
            if at.table_sha256 in self._tables:
                continue
            self._tables.add(at.table_sha256)
            name = index_name(self.chain, at.index)
            self._objects.add(name)
            with self.seen.noting("data", name, at.table_offset):
                index.table(row)

    def _look_at_shard(self, manifest: Manifest, index: IndexReader, line: ShardLine) -> None:
        lost = any(is_lost(self.seen, *part) for part in tables_of(self.chain, manifest, line))
        if lost or not self._opens(manifest, index, line):
            for ref in line.sections():
                self._compare_digest(manifest, ref)

    def _opens(self, manifest: Manifest, index: IndexReader, line: ShardLine) -> bool:
        """Open the shard, and tell whether it was the base that did not."""
        last = line.base if line.patch is None else line.patch
        with self.seen.noting("data", *_part(self.chain, manifest, line.base)):
            base = index.base(line)
            with self.seen.noting("data", *_part(self.chain, manifest, last)):
                view = index.shard(line, base)
                if self.entries is not None:
                    self.entries.look(manifest.said, view, base)
            return True
        return False

    def _compare_digest(self, manifest: Manifest, ref: SectionRef) -> None:
        """Look at a section by itself: what it belongs to is lost."""
        name, offset = _part(self.chain, manifest, ref)
        with self.seen.noting("data", name, offset):
            stored = self.data.get_range(name, ref.offset, ref.length)
            if hashlib.sha256(stored).digest() != ref.sha256:
                raise CorruptRepository(f"the section at {offset} is not what was stored")


def key_of(manifest: Manifest, line: ShardLine) -> LineKey:
    """Return what tells *line* from any other of the chain."""
    patch = b"" if line.patch is None else line.patch.sha256
    return line.shard, line.base.sha256, patch, line.used_blocks, manifest.said.disk_bytes


def tables_of(chain: ChainId, manifest: Manifest, line: ShardLine) -> Iterator[tuple[str, int]]:
    """Yield the tables that a shard needs: the index object's name, and where the table is."""
    for ref in line.sections():
        at = manifest.objects[ref.object]
        yield index_name(chain, at.index), at.table_offset


def parts_of(chain: ChainId, manifest: Manifest, line: ShardLine) -> Iterator[tuple[str, int]]:
    """Yield the sections and tables that a shard needs, by index object and offset."""
    for ref in line.sections():
        yield _part(chain, manifest, ref)
    yield from tables_of(chain, manifest, line)


def is_lost(seen: Observations, name: str, offset: int) -> bool:
    """Tell whether a part of an index object has been found fault with."""
    fault = seen.faults.get(("data", name))
    return fault is not None and not fault.suspected and offset in fault.parts


def _part(chain: ChainId, manifest: Manifest, ref: SectionRef) -> tuple[str, int]:
    return index_name(chain, manifest.objects[ref.object].index), ref.offset
