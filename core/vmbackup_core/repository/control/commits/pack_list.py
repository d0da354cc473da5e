"""Pack lists: what a commit's manifest needs, and how many sections need it; pure.

A list follows from the list before by merging what changed. Lists are streams in the order of
listings, so that neither a million entries nor two parts are ever in memory.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.numbers import Reader, column_bytes

PART_MOST: Final = 65_536
#: As many as the parts have that a commit may name.
LIST_MOST: Final = 4096 * PART_MOST
#: Neighbours that have fewer entries together become one part.
JOINED_BELOW: Final = 16_384

PACK: Final = 0
INDEX: Final = 1

_HEAD = struct.Struct("<II")
_SESSION_BYTES: Final = 40
_ENTRY_BYTES: Final = 17

#: What a list is ordered by: packs before index objects, then as their names are.
Key = tuple[int, CommitSlot, WritingSession, int]


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A pack or index object; in a change *count* may be below 0."""

    kind: int
    session: SessionRow
    number: int
    size_bytes: int
    count: int

    @property
    def key(self) -> Key:
        """Where the entry comes in the order."""
        return self.kind, self.session.slot, self.session.session, self.number

    def counted(self, count: int) -> ListEntry:
        """Return the entry of another count."""
        return ListEntry(self.kind, self.session, self.number, self.size_bytes, count)


def encode_part(entries: Sequence[ListEntry]) -> bytes:
    """Return the payload of a part that has *entries*, which are in order."""
    sessions: dict[SessionRow, int] = {}
    for entry in entries:
        sessions.setdefault(entry.session, len(sessions))
    columns = (
        array("I", (sessions[entry.session] for entry in entries)),
        array("I", (entry.number for entry in entries)),
        array("I", (entry.size_bytes for entry in entries)),
        array("I", (entry.count for entry in entries)),
    )
    return b"".join(
        (
            _HEAD.pack(len(sessions), len(entries)),
            *(row.packed() for row in sessions),
            *(column_bytes(column) for column in columns),
            bytes(entry.kind for entry in entries),
        )
    )


def decode_part(name: str, payload: bytes) -> list[ListEntry]:
    """Return the entries of the part called *name*; CorruptRepository where they are none."""
    reader = Reader(name, payload)
    sessions, count = reader.u32(), reader.u32()
    reader.expect(_SESSION_BYTES * sessions + _ENTRY_BYTES * count)
    if not 1 <= count <= PART_MOST:
        raise CorruptRepository(f"{name}: {count} entries")
    rows = [SessionRow.parse(reader.bytes(_SESSION_BYTES)) for _ in range(sessions)]
    at, numbers, sizes, counts = (reader.column("I", count) for _ in range(4))
    kinds = reader.bytes(count)
    if max(at) >= sessions or max(kinds) > INDEX or min(counts) == 0:
        raise CorruptRepository(f"{name}: a session, type or count that there cannot be")
    entries = [
        ListEntry(kind, rows[row], number, size, counted)
        for kind, row, number, size, counted in zip(kinds, at, numbers, sizes, counts, strict=True)
    ]
    check_order(name, entries)
    return entries


def check_order(name: str, entries: Iterable[ListEntry], after: ListEntry | None = None) -> None:
    """Raise CorruptRepository unless each entry comes behind the one before, and behind *after*."""
    before = after
    for entry in entries:
        if before is not None and entry.key <= before.key:
            raise CorruptRepository(f"{name}: {described(entry)} stands behind {described(before)}")
        before = entry


def described(entry: ListEntry) -> str:
    """Return what *entry* is called in a message."""
    kind = "index object" if entry.kind == INDEX else "pack"
    return f"{kind} {entry.number} of session {entry.session.session} in slot {entry.session.slot}"


def merge(
    parts: Iterable[Sequence[ListEntry]], changes: Iterable[ListEntry]
) -> Iterator[ListEntry | None]:
    """Yield the list that *parts* give when *changes*, which are in order, are added.

    None stands where one part ends and the next begins. CorruptRepository where a count would fall
    below 0, or where list and changes do not agree on an object: the list is then made anew.
    """
    pending = _Pending(changes)
    last: ListEntry | None = None
    for part in parts:
        if last is not None:
            yield None
        for entry in part:
            yield from pending.new_below(entry.key)
            yield from _positive(pending.added_to(entry))
            last = entry
    yield from pending.new_below(None)


def cut(
    merged: Iterable[ListEntry | None], *, most: int = PART_MOST, joined: int = JOINED_BELOW
) -> Iterator[list[ListEntry]]:
    """Yield the parts of a merged list: cut where it was, too long ones halved, short ones joined.

    So a part in which nothing changed comes out as it was.
    """
    held: list[ListEntry] = []
    for piece in _split(merged, most):
        if len(held) + len(piece) < joined:
            held += piece
            continue
        if held:
            yield held
        held = piece
    if held:
        yield held


class _Pending:
    """The changes that have not found their place yet."""

    def __init__(self, changes: Iterable[ListEntry]) -> None:
        self._rest = iter(changes)
        self._next = next(self._rest, None)

    def new_below(self, key: Key | None) -> Iterator[ListEntry]:
        """Yield the objects that come before *key*; all that are left where it is None."""
        while self._next is not None and (key is None or self._next.key < key):
            yield from _positive(self._next)
            self._next = next(self._rest, None)

    def added_to(self, entry: ListEntry) -> ListEntry:
        """Return *entry* with what changed of it."""
        if self._next is None or self._next.key != entry.key:
            return entry
        changed = added(entry, self._next)
        self._next = next(self._rest, None)
        return changed


def added(known: ListEntry, change: ListEntry) -> ListEntry:
    """Return one object's counts added up; CorruptRepository where they are of two objects."""
    if (known.session, known.size_bytes) != (change.session, change.size_bytes):
        raise CorruptRepository(
            f"{described(known)}: {known.size_bytes} bytes of run {known.session.run} in one "
            f"place, {change.size_bytes} bytes of run {change.session.run} in another"
        )
    return known.counted(known.count + change.count)


def _positive(entry: ListEntry) -> Iterator[ListEntry]:
    if entry.count < 0:
        raise CorruptRepository(f"{described(entry)}: is needed {entry.count} times")
    if entry.count:
        yield entry


def _split(merged: Iterable[ListEntry | None], most: int) -> Iterator[list[ListEntry]]:
    for ended, entries in groupby(merged, key=lambda entry: entry is None):
        if ended:
            continue
        piece: list[ListEntry] = []
        for entry in entries:
            if entry is not None:
                piece.append(entry)
            if len(piece) > most:
                yield piece[: most // 2]
                piece = piece[most // 2 :]
        yield piece
