"""Opening the sections and tables of a manifest that are new, each entry beside its pack's foot.

A pack that is read back whole proves what its own foot says. That the sections say the same is
proven here: a restore goes by what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.repository.data.block_reader import BlockReader, Wanted
from vmbackup_core.repository.data.entry_proof import Feet
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest, SectionRef, ShardLine
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.window_reader import Lost, WindowReader
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import IndexId
from vmbackup_core.stores.port import NotStored, ObjectUnreadable

#: What ends the reading of one section, and of no other.
_LOST = (CorruptRepository, NotUnderstood, ObjectUnreadable)


class SectionsTold(Protocol):
    """Is told what sections hold that they should not; by several threads."""

    @property
    def is_full(self) -> bool:
        """Whether so much was told that nobody wants to know more."""

    def section(self, index: IndexId, offset: int, error: Lost) -> None:
        """Take in that the section or table there does not open."""

    def block(self, number: int, error: Lost) -> None:
        """Take in that the entry of the disk's block with this number does not open."""


@dataclass
class SectionsBack:
    """Opens what is new in a manifest in slots above *after_slot*."""

    store: DataSource
    keys: ChainKeys
    manifest: Manifest
    after_slot: int
    told: SectionsTold
    threads: int
    _feet: Feet = field(init=False)
    _index: IndexReader = field(init=False)
    _lost_tables: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._feet = Feet(self.store, self.keys)
        self._index = IndexReader(self.store, self.keys, self.manifest)

    def read(self, done: Callable[[int], None]) -> None:
        """Open every line of which a section is new; *done* is told the bytes of each."""
        for line in self.manifest.lines:
            if self.told.is_full:
                return
            if any(self._is_new(ref) for ref in line.sections()):
                self._open(line)
                done(sum(ref.length for ref in line.sections()))

    def _is_new(self, ref: SectionRef) -> bool:
        return self.manifest.objects[ref.object].index.slot > self.after_slot

    def _open(self, line: ShardLine) -> None:
        if not self._has_tables(line):
            return
        try:
            base = self._index.base(line)
        except _LOST as error:
            self._tell(line.base, error)
            return
        last = line.base if line.patch is None else line.patch
        try:
            view = self._index.shard(line, base)
        except _LOST as error:
            self._tell(last, error)
            return
        first = 0 if self._is_new(line.base) else len(base.view.entries)
        self._prove(view, first)

    def _has_tables(self, line: ShardLine) -> bool:
        """Tell whether the tables of a line open; each that does not is told once."""
        opened = [self._table_opens(ref.object) for ref in line.sections()]
        return all(opened)

    def _table_opens(self, row: int) -> bool:
        if row not in self._lost_tables:
            try:
                self._index.table(row)
            except _LOST as error:
                self._lost_tables.add(row)
                at = self.manifest.objects[row]
                self.told.section(at.index, at.table_offset, error)
        return row not in self._lost_tables

    def _tell(self, ref: SectionRef, error: Lost) -> None:
        self.told.section(self.manifest.objects[ref.object].index, ref.offset, error)

    def _prove(self, view: ShardView[PackRow], first: int) -> None:
        """Compare the entries from *first* on with their packs' feet; read those that are odd."""
        found = self._feet.odd(self.manifest.said, view, lambda entry: entry >= first, self.threads)
        # A pack whose foot is lost is told of itself.
        odd = [block for block, (_, verdict) in found.items() if verdict != "no foot"]
        reader = BlockReader(self.store, self.keys, NothingHealed())
        by_pack = WindowReader(reader, self.manifest.said, self.threads, _LOST)
        by_pack.prove(view, odd, self._tell_block)

    def _tell_block(self, extent: Extent, _wanted: Wanted, error: Lost) -> None:
        if not self.told.is_full:
            self.told.block(extent.offset // self.manifest.said.block_bytes, error)


def block_bytes_at(said: ManifestSaid, block: int) -> int:
    """Return how long the disk's block with this number is."""
    return min(said.block_bytes, said.disk_bytes - block * said.block_bytes)


def is_missing(error: Exception) -> bool:
    """Tell whether *error* says that an object is not there."""
    return isinstance(error.__cause__, NotStored)
