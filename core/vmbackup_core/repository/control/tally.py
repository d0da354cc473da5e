"""How often each object is needed, counted in little memory: 17 bytes an object, as lists have it.

A list of a million packs is counted anew in the memory of a few of its parts as they are stored.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.pack_list import (
    Key,
    ListEntry,
    added,
    cut,
    decode_part,
    encode_part,
    merge,
)

#: So many objects are kept one by one before they join the others.
PENDING_MOST: Final = 32_768


class TooManyCounted(Exception):
    """More objects are named than there can be."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} packs and index objects are named")


class DiffersFromItself(CorruptRepository):
    """One object is named with two sizes or runs."""


class Tally:
    """Objects in order, with their counts; of more than *most* objects it raises TooManyCounted.

    DiffersFromItself where one object comes with two sizes or runs.
    """

    def __init__(self, most: int, *, pending: int = PENDING_MOST) -> None:
        self._most = most
        self._pending_most = pending
        self._parts: list[bytes] = []
        self._pending: dict[Key, ListEntry] = {}

    def add(self, entries: Iterable[ListEntry]) -> None:
        """Count *entries*, in any order."""
        for entry in entries:
            known = self._pending.get(entry.key)
            self._pending[entry.key] = entry if known is None else _added(known, entry)
            if len(self._pending) >= self._pending_most:
                self.settle()

    def entries(self) -> Iterator[ListEntry]:
        """Yield every object once, in order; nothing is added meanwhile."""
        self.settle()
        for part in self._settled():
            yield from part

    def settle(self) -> None:
        """Have what was counted last join the rest."""
        pending = (self._pending[key] for key in sorted(self._pending))
        parts, count = [], 0
        try:
            for piece in cut(merge(self._settled(), pending)):
                count += len(piece)
                if count > self._most:
                    raise TooManyCounted(self._most)
                parts.append(encode_part(piece))
        except CorruptRepository as error:
            raise DiffersFromItself(str(error)) from error
        self._parts, self._pending = parts, {}

    def _settled(self) -> Iterator[list[ListEntry]]:
        return (decode_part("a count of packs", payload) for payload in self._parts)


def _added(known: ListEntry, entry: ListEntry) -> ListEntry:
    try:
        return added(known, entry)
    except CorruptRepository as error:
        raise DiffersFromItself(str(error)) from error


def difference(come: Iterable[ListEntry], gone: Iterable[ListEntry]) -> Iterator[ListEntry]:
    """Yield what changes where *come* is added and *gone* taken away; both are in order."""
    taken = (each.counted(-each.count) for each in gone)
    held: ListEntry | None = None
    for entry in heapq.merge(come, taken, key=lambda each: each.key):
        if held is not None and held.key == entry.key:
            held = added(held, entry)
            continue
        if held is not None and held.count:
            yield held
        held = entry
    if held is not None and held.count:
        yield held
