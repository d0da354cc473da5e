"""Reading what a manifest names: tables, and shards from their sections."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.manifest import Manifest, SectionRef, ShardLine, decode_manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.sections import Limits, decode_base, decode_patch
from vmbackup_core.repository.data.shard_view import (
    ShardView,
    StoredBase,
    check_places,
    patched,
    view_of_base,
)
from vmbackup_core.repository.data.tables import PackRow, SectionType, Table, decode_table
from vmbackup_core.repository.primitives.bounds import OF_SEALED, Bound
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import unseal, within
from vmbackup_core.repository.primitives.names import index_name
from vmbackup_core.repository.primitives.outer import SealedKind
from vmbackup_core.stores.port import NotStored

#: Sections that lie side by side are read together up to this much.
AHEAD_BYTES = 1024 * 1024

#: Tables kept open: a shard's base and patch lie in two index objects, those of its neighbours
#: mostly in the same two.
TABLES = 4


def open_manifest(
    store: DataSource, keys: ChainKeys, name: str, sha256: bytes, bound: Bound | None = None
) -> Manifest:
    """Return the manifest called *name*, whose bytes have this digest."""
    bound = bound or OF_SEALED["MANI"]
    try:
        stored = store.get(name, most=bound.stored)
    except NotStored as error:
        raise CorruptRepository(f"{name}: is needed and not there") from error
    _check_digest(name, stored, sha256)
    return manifest_in(keys, name, stored, bound)


def manifest_in(keys: ChainKeys, name: str, stored: bytes, bound: Bound | None = None) -> Manifest:
    """Return the manifest whose object under *name* is *stored*; its digest was compared before."""
    opened = unseal("MANI", name, stored, keys.secret_of, keys.repository, bound)
    manifest = decode_manifest(name, opened.payload)
    if manifest.said.chain_id != keys.chain:
        raise CorruptRepository(f"{name}: of chain {manifest.said.chain_id}")
    return manifest


class IndexReader:
    """Opens the tables and shards of one manifest; one thread at a time.

    What is missing, differs from its digest or does not open is CorruptRepository. *requests* is
    how often the store was asked.
    """

    def __init__(self, store: DataSource, keys: ChainKeys, manifest: Manifest) -> None:
        self._store = store
        self._keys = keys
        self._manifest = manifest
        self._tables: OrderedDict[int, Table] = OrderedDict()
        self._ahead: dict[SectionType, _Ahead] = {}
        self.requests = 0

    @property
    def manifest(self) -> Manifest:
        """What is read."""
        return self._manifest

    def table(self, row: int) -> Table:
        """Return the table of one of the manifest's index objects."""
        if row in self._tables:
            self._tables.move_to_end(row)
            return self._tables[row]
        at = self._manifest.objects[row]
        name = index_name(self._keys.chain, at.index)
        ref = SectionRef(row, at.table_offset, at.table_bytes, at.table_sha256)
        if ref.length > OF_SEALED["TABL"].stored:
            raise CorruptRepository(f"{name}: a table of {ref.length} bytes")
        stored = self._range(name, ref.offset, ref.length)
        table = decode_table(name, self._opened("TABL", name, ref, stored))
        self._tables[row] = table
        while len(self._tables) > TABLES:
            self._tables.popitem(last=False)
        return table

    def rows(self, line: ShardLine) -> tuple[PackRow, ...]:
        """Return every row that the shard's sections have; they are not opened for it."""
        rows = self._rows(line, "base", line.base)
        return rows if line.patch is None else rows + self._rows(line, "patch", line.patch)

    def base(self, line: ShardLine) -> StoredBase:
        """Return the base of a shard."""
        payload = self._section(line, "base", line.base)
        rows = self._rows(line, "base", line.base)
        name = self._name(line.base)
        section = decode_base(name, payload, self._limits(len(rows)))
        _check_shard(name, section.shard, line)
        view = view_of_base(section, rows)
        check_places(name, view)
        return StoredBase(view, line.base.sha256, line.base.length, line.patches_bytes)

    def shard(self, line: ShardLine, base: StoredBase | None = None) -> ShardView[PackRow]:
        """Return a shard as its base and patch give it."""
        view = (base or self.base(line)).view
        if line.patch is not None:
            payload = self._section(line, "patch", line.patch)
            rows, name = self._rows(line, "patch", line.patch), self._name(line.patch)
            section = decode_patch(name, payload, self._limits(len(rows)))
            _check_shard(name, section.shard, line)
            if section.base_sha256 != line.base.sha256:
                raise CorruptRepository(f"{name}: a patch over another base")
            view = patched(view, section, rows)
            check_places(name, view)
        if view.used_blocks != line.used_blocks:
            raise CorruptRepository(
                f"{self._name(line.base)}: shard {line.shard} has {view.used_blocks} used blocks, "
                f"its manifest says {line.used_blocks}"
            )
        return view

    def _limits(self, rows: int) -> Limits:
        said = self._manifest.said
        return Limits(said.block_bytes, said.shard_bytes, said.disk_bytes, rows)

    def _name(self, ref: SectionRef) -> str:
        index = self._manifest.objects[ref.object].index
        return within(index_name(self._keys.chain, index), ref.offset)

    def _rows(self, line: ShardLine, kind: SectionType, ref: SectionRef) -> tuple[PackRow, ...]:
        rows = self.table(ref.object).rows_of(line.shard, kind)
        if rows is None:
            raise CorruptRepository(f"{self._name(ref)}: its table has no {kind} of it")
        return rows

    def _section(self, line: ShardLine, kind: SectionType, ref: SectionRef) -> bytes:
        name = index_name(self._keys.chain, self._manifest.objects[ref.object].index)
        if ref.length > OF_SEALED["SECT"].stored:
            raise CorruptRepository(f"{name}: a section of {ref.length} bytes")
        ahead = self._ahead.get(kind)
        if ahead is None or not ahead.has(ref):
            length = self._joined_bytes(line, kind, ref)
            stored = self._range(name, ref.offset, length, least=ref.length)
            ahead = self._ahead[kind] = _Ahead(ref.object, ref.offset, stored)
        return self._opened("SECT", name, ref, ahead.part(ref))

    def _joined_bytes(self, line: ShardLine, kind: SectionType, ref: SectionRef) -> int:
        """Return how much to read from *ref* on: the next shards' sections that lie behind it."""
        end, shard = ref.offset + ref.length, line.shard
        while True:
            shard += 1
            following = self._manifest.lines.line_of(shard)
            if following is None:
                break
            after = following.base if kind == "base" else following.patch
            if after is None or (after.object, after.offset) != (ref.object, end):
                break
            if end + after.length - ref.offset > AHEAD_BYTES:
                break
            end += after.length
        return end - ref.offset

    def _range(self, name: str, offset: int, length: int, least: int | None = None) -> bytes:
        self.requests += 1
        try:
            stored = self._store.get_range(name, offset, length)
        except NotStored as error:
            raise CorruptRepository(f"{name}: is needed and not there") from error
        if len(stored) < (length if least is None else least):
            raise CorruptRepository(f"{name}: ends at {offset + len(stored)}")
        return stored

    def _opened(self, kind: SealedKind, name: str, ref: SectionRef, stored: bytes) -> bytes:
        whole = within(name, ref.offset)
        _check_digest(whole, stored, ref.sha256)
        keys = self._keys
        return unseal(kind, whole, stored, keys.secret_of, keys.repository).payload


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Neighbouring sections, read in one request."""

    object: int
    offset: int
    stored: bytes

    def has(self, ref: SectionRef) -> bool:
        start = ref.offset - self.offset
        return ref.object == self.object and 0 <= start <= len(self.stored) - ref.length

    def part(self, ref: SectionRef) -> bytes:
        start = ref.offset - self.offset
        return self.stored[start : start + ref.length]


def _check_shard(name: str, shard: int, line: ShardLine) -> None:
    if shard != line.shard:
        raise CorruptRepository(f"{name}: of shard {shard}, named for {line.shard}")


def _check_digest(name: str, stored: bytes, sha256: bytes) -> None:
    found = hashlib.sha256(stored).digest()
    if found != sha256:
        raise CorruptRepository(f"{name}: SHA-256 {found.hex()}, {sha256.hex()} is named")
