"""The operator's own look at what somebody calls bad (S27): little is read where it is not so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.chain_header import reading_keys
from vmbackup_core.repository.control.chains.named_manifests import named_manifests, open_named
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.data.block_reader import BlockReader
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import IndexObject, Manifest, ShardLine
from vmbackup_core.repository.data.read_back import PackReadBack, read_told
from vmbackup_core.repository.data.restore import wanted_of
from vmbackup_core.repository.data.sections_back import block_bytes_at, is_missing
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import IndexId, PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import NotStored, Store

What = Literal["missing", "resized", "damaged"]


@dataclass
class OwnLooks:
    """Looks at the objects of one chain; each look returns the entry, or None where all is well."""

    log: Log
    data: Store
    chain: ChainId
    state: LogState
    _opened: dict[str, IndexReader] = field(default_factory=dict)
    _views: dict[tuple[str, int], ShardView[PackRow]] = field(default_factory=dict)
    _keys: ChainKeys | None = None
    _named: list[ManifestAt] | None = None

    @property
    def keys(self) -> ChainKeys:
        """All that opens the chain; KeyRingIncomplete says that the given key does not do."""
        if self._keys is None:
            self._keys = reading_keys(self.log.control, self.data, self.chain, self.state)
        return self._keys

    def size(self, pack: PackId, size_bytes: int) -> Bad | None:
        """Look whether *pack* is there with this size."""
        try:
            _, found = self.data.get_end(pack_name(self.chain, pack), 1)
        except NotStored:
            return self._bad_pack(pack, size_bytes, "missing")
        return None if found == size_bytes else self._bad_pack(pack, size_bytes, "resized")

    def pack(
        self, pack: PackId, size_bytes: int, told: tuple[int, ...], whole_from: int
    ) -> Bad | None:
        """Look at the foot, and the first record of *told*; where that is lost at the others.

        Where there are *whole_from* of them and all are lost, the pack is lost as a whole.
        """
        seen = read_told(self.data, self.keys, pack, size_bytes, told)
        if seen.lost is None:
            return None
        is_whole = not seen.offsets or len(seen.offsets) >= whole_from
        parts = None if is_whole else seen.offsets
        return self._bad_pack(pack, size_bytes, seen.lost, parts)

    def read(self, back: PackReadBack, size_bytes: int) -> Bad | None:
        """Return the entry of a pack that was read back whole."""
        if back.lost is None:
            return None
        return self._bad_pack(back.pack, size_bytes, back.lost, back.offsets or None)

    def index(self, index: IndexId, offset: int, at: ManifestAt | None) -> Bad | None:
        """Look at the section or table at *offset*, by the manifest at *at* or any that names it.

        One that no manifest names is none of the repository's.
        """
        for reader in self._readers(at):
            for row, each in enumerate(reader.manifest.objects):
                if each.index == index:
                    return self._part(reader, row, each, offset)
        return None

    def block(self, number: int, at: ManifestAt) -> Bad | None:
        """Look at the disk's block of this number as a restore would; a section hides none here."""
        reader = self._kept_reader(at)
        said = reader.manifest.said
        per_shard = said.shard_bytes // said.block_bytes
        line = reader.manifest.lines.line_of(number // per_shard)
        if line is None:
            return None
        try:
            view = self._view(at, reader, line)
        except CorruptRepository:
            return None  # it is told of itself
        place = number % per_shard
        if place >= view.blocks or view.at[place] == ZERO:
            return None
        entry = view.at[place]
        bases = view.entries.bases_before()
        wanted = wanted_of(view, entry, bases[entry], block_bytes_at(said, number))
        try:
            BlockReader(self.data, self.keys, NothingHealed()).read_block(wanted)
        except CorruptRepository:
            row = wanted.place.row
            return self._bad_pack(row.holder, row.size_bytes, "damaged", (wanted.place.offset,))
        return None

    def is_needed(self, slot: CommitSlot, at: ManifestAt | None) -> bool:
        """Tell whether the manifest of *slot* is still there: what it needs is never deleted.

        Asked after something was found missing: a manifest goes before its packs do.
        """
        if at is not None and at.of_slot == slot:
            return is_there(self.data, at.name)
        if self._named is None:
            self._named = [*named_manifests(self.log.control, self.state, self.chain)]
        return any(is_there(self.data, each.name) for each in self._named if each.of_slot == slot)

    def _readers(self, at: ManifestAt | None) -> Iterator[IndexReader]:
        if at is not None:
            yield self._kept_reader(at)
            return
        for each in named_manifests(self.log.control, self.state, self.chain):
            with suppress(CorruptRepository):
                yield self._reader(each)

    def _kept_reader(self, at: ManifestAt) -> IndexReader:
        if at.name not in self._opened:
            self._opened[at.name] = self._reader(at)
        return self._opened[at.name]

    def _reader(self, at: ManifestAt) -> IndexReader:
        manifest = open_named(self.log.control, self.data, self.chain, at)
        return IndexReader(self.data, self.keys, manifest)

    def _view(self, at: ManifestAt, reader: IndexReader, line: ShardLine) -> ShardView[PackRow]:
        key = at.name, line.shard
        if key not in self._views:
            self._views.clear()
            self._views[key] = reader.shard(line)
        return self._views[key]

    def _part(self, reader: IndexReader, row: int, at: IndexObject, offset: int) -> Bad | None:
        try:
            reader.table(row)
            if offset != at.table_offset:
                _open_section(reader, row, offset)
        except CorruptRepository as error:
            is_table = _is_table_lost(reader, row)
            part = at.table_offset if is_table else offset
            return Bad(
                chain=self.chain,
                object="index",
                id=at.index.packed().hex(),
                size=at.size_bytes,
                what="missing" if is_missing(error) else "damaged",
                parts=(part,),
            )
        return None

    def _bad_pack(
        self, pack: PackId, size_bytes: int, what: What, parts: tuple[int, ...] | None = None
    ) -> Bad:
        return Bad(
            chain=self.chain,
            object="pack",
            id=pack.packed().hex(),
            size=size_bytes,
            what=what,
            parts=parts,
        )


def _open_section(reader: IndexReader, row: int, offset: int) -> None:
    """Open the section of an index object at *offset*; where none is, there is none to open."""
    line = _line_at(reader.manifest, row, offset)
    if line is None:
        return
    is_base = (line.base.object, line.base.offset) == (row, offset)
    try:
        base = reader.base(line)
    except CorruptRepository:
        if is_base:
            raise
        return  # nothing can be said of a patch without its base
    if not is_base or line.patch is None:
        reader.shard(line, base)


def _line_at(manifest: Manifest, row: int, offset: int) -> ShardLine | None:
    for line in manifest.lines:
        if any((ref.object, ref.offset) == (row, offset) for ref in line.sections()):
            return line
    return None


def _is_table_lost(reader: IndexReader, row: int) -> bool:
    try:
        reader.table(row)
    except CorruptRepository:
        return True
    return False
