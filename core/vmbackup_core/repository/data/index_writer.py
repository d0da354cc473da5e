"""Sections of many shards put together into index objects, each with its table behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Union

from vmbackup_core.repository.data.manifest import IndexObject, SectionRef
from vmbackup_core.repository.data.pack_writer import OwnPack
from vmbackup_core.repository.data.ports import DataTarget
from vmbackup_core.repository.data.tables import (
    PackRow,
    SectionRows,
    SectionType,
    SessionRow,
    encode_table,
)
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import HEAD_BYTES, seal, unseal, within
from vmbackup_core.repository.primitives.envelope import TAG_BYTES as SEAL_TAG_BYTES
from vmbackup_core.repository.primitives.frames import compress
from vmbackup_core.repository.primitives.identities import IndexId
from vmbackup_core.repository.primitives.names import index_name
from vmbackup_core.stores.port import AlreadyStored

#: A writer begins another object before one passes this.
OBJECT_BYTES = 32 * 1024 * 1024

#: What a row and a section take of a table at most: a row of two new sessions.
_ROW_BYTES = 20 + 2 * 40
_SECTION_BYTES = 9

#: A row of a section: a pack that is stored, or one that will be before the table is made.
Row = Union[PackRow, OwnPack]  # noqa: UP007 - evaluated at run time on 3.10


@dataclass(frozen=True, slots=True)
class _Section:
    shard: int
    type: SectionType
    offset: int
    length: int
    rows: Sequence[Row]


@dataclass(slots=True)
class _Open:
    """The index object being filled."""

    session: SessionRow
    number: int
    content: bytearray = field(default_factory=bytearray)
    sections: list[_Section] = field(default_factory=list)
    table_bytes: int = 0

    @property
    def index(self) -> IndexId:
        return IndexId(self.session.slot, self.session.session, self.number)

    def has_no_room_for(self, more: int) -> bool:
        """Tell whether the object would pass its bound with so many bytes of section and table."""
        owed = len(self.content) + self.table_bytes + more
        return owed > OBJECT_BYTES - HEAD_BYTES - SEAL_TAG_BYTES


def sealed_bytes(payload: bytes, level: int) -> int:
    """Return how long *payload* will be once it is sealed."""
    return HEAD_BYTES + len(compress(payload, level)[1]) + SEAL_TAG_BYTES


class IndexWriter:
    """Writes the index objects of one attempt; nobody may be adding to its packs meanwhile.

    *flush* stores what packs are being filled: after it every row is a pack's.
    """

    def __init__(
        self,
        store: DataTarget,
        keys: ChainKeys,
        ids: WritingIds,
        *,
        flush: Callable[[], None],
        level: int,
    ) -> None:
        self._store = store
        self._keys = keys
        self._ids = ids
        self._flush = flush
        self._level = level
        self._open: _Open | None = None
        self.objects: list[IndexObject] = []
        #: Where each section lies; its object's number is that in `objects`.
        self.placed: dict[tuple[int, SectionType], SectionRef] = {}

    def add(self, shard: int, kind: SectionType, payload: bytes, rows: Sequence[Row]) -> None:
        """Put a section behind the others; where it lies is known once its object is stored."""
        table_bytes = _SECTION_BYTES + _ROW_BYTES * len(rows)
        now, sealed = self._sealed_next(payload)
        if now.sections and now.has_no_room_for(len(sealed) + table_bytes):
            self.close()
            now, sealed = self._sealed_next(payload)
        now.sections.append(_Section(shard, kind, len(now.content), len(sealed), rows))
        now.content += sealed
        now.table_bytes += table_bytes

    def _sealed_next(self, payload: bytes) -> tuple[_Open, bytes]:
        """Return what is being filled, and the section as it would lie behind the others there."""
        if self._open is None:
            self._open = _Open(*self._ids.next_index())
        return self._open, self._seal(self._open, len(self._open.content), payload)

    def close(self) -> None:
        """Store what is there, the packs that it names first."""
        now, self._open = self._open, None
        if now is None:
            return
        self._flush()
        table = encode_table(
            [SectionRows(each.shard, each.type, _stored(each.rows)) for each in now.sections]
        )
        self._put(now, table)

    def _put(self, now: _Open, table: bytes) -> None:
        while True:
            name, offset = index_name(self._keys.chain, now.index), len(now.content)
            sealed = seal(
                "TABL", within(name, offset), table, self._keys.source(), level=self._level
            )
            try:
                self._store.put_new(name, b"".join((now.content, sealed)))
                break
            except AlreadyStored as taken:
                self._ids.give_up(now.session, taken)
                now = self._sealed_again(now)
        digest = hashlib.sha256(sealed).digest()
        row, size = len(self.objects), offset + len(sealed)
        self.objects.append(IndexObject(now.index, size, offset, digest))
        for each in now.sections:
            stored = memoryview(now.content)[each.offset : each.offset + each.length]
            digest = hashlib.sha256(stored).digest()
            self.placed[each.shard, each.type] = SectionRef(row, each.offset, each.length, digest)

    def _sealed_again(self, old: _Open) -> _Open:
        """Return the same sections for an object of another name."""
        now = _Open(*self._ids.next_index(), sections=old.sections, table_bytes=old.table_bytes)
        name = index_name(self._keys.chain, old.index)
        for each in old.sections:
            stored = bytes(old.content[each.offset : each.offset + each.length])
            opened = unseal(
                "SECT",
                within(name, each.offset),
                stored,
                self._keys.secret_of,
                self._keys.repository,
            )
            now.content += self._seal(now, each.offset, opened.payload)
        return now

    def _seal(self, now: _Open, offset: int, payload: bytes) -> bytes:
        name = within(index_name(self._keys.chain, now.index), offset)
        return seal("SECT", name, payload, self._keys.source(), level=self._level)


def _stored(rows: Sequence[Row]) -> list[PackRow]:
    found: list[PackRow] = []
    for each in rows:
        row = each.row if isinstance(each, OwnPack) else each
        if row is None:
            raise AssertionError("a pack is named before it is stored")
        found.append(row)
    return found
