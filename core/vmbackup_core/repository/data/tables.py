"""The table of an index object: which packs each of its sections names."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.data.twins import has_twin
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import LAST_SLOT
from vmbackup_core.repository.primitives.numbers import Reader, column_bytes

SectionType = Literal["base", "patch"]

SECTION_TYPES: tuple[SectionType, ...] = ("base", "patch")

#: A shard's most blocks, twice: each with a pack of its own, and a delta's base in another.
MOST_ROWS = 2 * 65_536

_SESSION = struct.Struct("<I16s16sI")


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A writing session that stored packs."""

    slot: CommitSlot
    session: WritingSession
    run: RunId
    epoch: int

    def packed(self) -> bytes:
        """Return the 40 bytes that tables and pack lists hold."""
        session, run = bytes.fromhex(self.session), bytes.fromhex(self.run)
        return _SESSION.pack(self.slot, session, run, self.epoch)

    @staticmethod
    def parse(row: bytes) -> SessionRow:
        """Return what the 40 bytes say."""
        slot, session, run, epoch = _SESSION.unpack(row)
        return SessionRow(CommitSlot(slot), WritingSession(session.hex()), RunId(run.hex()), epoch)


@dataclass(frozen=True, slots=True)
class PackRow:
    """A pack that a section names: where its records lie, and the pack they were encrypted for."""

    holder_session: SessionRow
    holder_number: int
    size_bytes: int
    origin_session: SessionRow
    origin_number: int

    @staticmethod
    def own(session: SessionRow, number: int, size_bytes: int) -> PackRow:
        """Return the row of a pack whose records are its own."""
        return PackRow(session, number, size_bytes, session, number)

    @property
    def holder(self) -> PackId:
        """The pack that the records lie in."""
        return _pack(self.holder_session, self.holder_number)

    @property
    def origin(self) -> PackId:
        """The pack whose key opens the records."""
        return _pack(self.origin_session, self.origin_number)

    @property
    def places(self) -> tuple[PackId, PackId]:
        """What tells the row from another of its section: holder and origin."""
        return self.holder, self.origin

    @property
    def run(self) -> RunId:
        """The run that encrypted the records."""
        return self.origin_session.run

    @property
    def epoch(self) -> int:
        """The epoch of that run's key."""
        return self.origin_session.epoch


@dataclass(frozen=True, slots=True)
class SectionRows:
    """One section of an index object, and its packs in the order that the section counts them."""

    shard: int
    type: SectionType
    rows: Sequence[PackRow]


@dataclass(frozen=True, slots=True)
class Table:
    """A table, opened; columns, since a table may have a million rows."""

    shards: array[int]
    types: bytes
    counts: array[int]
    _sessions: bytes
    _columns: tuple[array[int], ...]  # holder's session, number, size; origin's session, number

    def __len__(self) -> int:
        return len(self.shards)

    @property
    def rows(self) -> int:
        """How many rows all sections have together."""
        return len(self._columns[0])

    def sessions(self) -> Iterator[SessionRow]:
        """Yield the sessions whose packs are named."""
        for at in range(0, len(self._sessions), _SESSION.size):
            yield SessionRow.parse(self._sessions[at : at + _SESSION.size])

    def sections(self) -> Iterator[SectionRows]:
        """Yield every section, in order, with its rows."""
        starts = accumulate(self.counts, initial=0)
        for shard, kind, count, start in zip(
            self.shards, self.types, self.counts, starts, strict=False
        ):
            yield SectionRows(shard, SECTION_TYPES[kind], self._rows(start, count))

    def rows_of(self, shard: int, kind: SectionType) -> tuple[PackRow, ...] | None:
        """Return the rows of a section, or None where it is not in this index object."""
        wanted = SECTION_TYPES.index(kind)
        start = 0
        for at, count in enumerate(self.counts):
            if self.shards[at] == shard and self.types[at] == wanted:
                return self._rows(start, count)
            start += count
        return None

    def _rows(self, start: int, count: int) -> tuple[PackRow, ...]:
        sessions: dict[int, SessionRow] = {}

        def session(row: int) -> SessionRow:
            if row not in sessions:
                at = row * _SESSION.size
                sessions[row] = SessionRow.parse(self._sessions[at : at + _SESSION.size])
            return sessions[row]

        held_by, held_number, sizes, made_by, made_number = (
            column[start : start + count] for column in self._columns
        )
        return tuple(
            PackRow(session(holder), number, size, session(origin), origin_number)
            for holder, number, size, origin, origin_number in zip(
                held_by, held_number, sizes, made_by, made_number, strict=True
            )
        )


def encode_table(sections: Sequence[SectionRows]) -> bytes:
    """Return the payload of the table of an index object with these sections, in order."""
    sessions: dict[SessionRow, int] = {}
    columns = tuple(array("I") for _ in range(5))
    for section in sections:
        for row in section.rows:
            for column, value in zip(columns, _numbers(row, sessions), strict=True):
                column.append(value)
    head = struct.pack("<III", len(sections), len(sessions), len(columns[0]))
    return b"".join(
        (
            head,
            *(each.packed() for each in sessions),
            column_bytes(array("I", (each.shard for each in sections))),
            bytes(SECTION_TYPES.index(each.type) for each in sections),
            column_bytes(array("I", (len(each.rows) for each in sections))),
            *(column_bytes(column) for column in columns),
        )
    )


def _numbers(row: PackRow, sessions: dict[SessionRow, int]) -> tuple[int, ...]:
    return (
        sessions.setdefault(row.holder_session, len(sessions)),
        row.holder_number,
        row.size_bytes,
        sessions.setdefault(row.origin_session, len(sessions)),
        row.origin_number,
    )


def decode_table(name: str, content: bytes) -> Table:
    """Return the table that *content* describes; *name* is for what is wrong with it."""
    payload = Reader(name, content)
    sections, sessions, rows = payload.u32(), payload.u32(), payload.u32()
    payload.expect(_SESSION.size * sessions + 9 * sections + 20 * rows)
    table_sessions = payload.bytes(_SESSION.size * sessions)
    shards, types = payload.column("I", sections), payload.bytes(sections)
    counts = payload.column("I", sections)
    columns = tuple(payload.column("I", rows) for _ in range(5))
    payload.end()
    table = Table(shards, types, counts, table_sessions, columns)
    _check(name, table, sessions)
    return table


def _check(name: str, table: Table, sessions: int) -> None:
    if not table.shards:
        raise CorruptRepository(f"{name}: a table of no section")
    if max(table.types) >= len(SECTION_TYPES):
        raise NewerFormat(name, f"section type {max(table.types)}")
    if len(set(zip(table.shards, table.types, strict=True))) != len(table):
        raise CorruptRepository(f"{name}: a section is there twice")
    if sum(table.counts) != table.rows or max(table.counts) > MOST_ROWS:
        raise CorruptRepository(f"{name}: its sections have not the {table.rows} rows it holds")
    held_by, _, _, made_by, _ = table._columns  # noqa: SLF001 - checked before anybody has it
    for column in (held_by, made_by):
        if column and max(column) >= sessions:
            raise CorruptRepository(f"{name}: session {max(column)} of {sessions}")
    _check_sessions(name, table)
    for shard, start, count in zip(
        table.shards, accumulate(table.counts, initial=0), table.counts, strict=False
    ):
        _check_rows_differ(name, table, shard, slice(start, start + count))


def _check_sessions(name: str, table: Table) -> None:
    if has_twin(table._sessions, _SESSION.size):  # noqa: SLF001 - checked before anybody has it
        raise CorruptRepository(f"{name}: a session is there twice")
    for each in table.sessions():
        if not 1 <= each.slot <= LAST_SLOT:
            raise CorruptRepository(f"{name}: a session of slot {each.slot}")


def _check_rows_differ(name: str, table: Table, shard: int, rows: slice) -> None:
    held_by, held_number, _, made_by, made_number = (
        column[rows]
        for column in table._columns  # noqa: SLF001 - checked before anybody has it
    )
    if len(set(zip(held_by, held_number, made_by, made_number, strict=True))) != len(held_by):
        raise CorruptRepository(f"{name}: shard {shard} names a pack twice")


def _pack(session: SessionRow, number: int) -> PackId:
    return PackId(session.slot, session.session, number)
