"""How often each object is needed, counted in little memory: 17 bytes an object, as lists have it.

A list of a million packs is counted anew in the memory of a few of its parts as they are stored.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.commits.pack_list import (
    Key,
    ListEntry,
    added,
    cut,
    decode_part,
    encode_part,
)
from vmbackup_core.repository.primitives.steps import Steps, take_all

#: So many objects are kept one by one before they join the others.
PENDING_MOST: Final = 32_768

#: So many of a run are taken apart at once: few, since several runs are united.
_PIECE: Final = 2048


class TooManyCounted(CorruptRepository):
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
        self._pending: dict[Key, ListEntry] = {}
        self._runs: list[_Run] = []

    def add(self, entries: Iterable[ListEntry]) -> None:
        """Count *entries*, in any order."""
        take_all(self.adding(entries))

    def adding(self, entries: Iterable[ListEntry]) -> Steps[None]:
        """Do so in steps; of few entries there is none."""
        for entry in entries:
            known = self._pending.get(entry.key)
            self._pending[entry.key] = entry if known is None else _added(known, entry)
            if len(self._pending) >= self._pending_most:
                yield from self._store()

    def settle(self) -> None:
        """Have all that was counted be one run, in which each object is once."""
        take_all(self.settling())

    def settling(self) -> Steps[None]:
        """Do so in steps."""
        yield from self._store()
        if len(self._runs) > 1:
            yield from self._unite()

    def entries(self) -> Iterator[ListEntry]:
        """Yield every object once, in order; nothing is added meanwhile."""
        self.settle()
        for run in self._runs:
            yield from run.entries()

    def _store(self) -> Steps[None]:
        """Have what is pending become a run; small ones are united when they are as much as all."""
        if not self._pending:
            return
        pending = (self._pending[key] for key in sorted(self._pending))
        self._runs.append(take_all(_run_of(pending)))
        self._pending = {}
        yield
        later = sum(run.count for run in self._runs[1:])
        if later >= self._runs[0].count or self._runs[0].count + later > self._most:
            yield from self._unite()

    def _unite(self) -> Steps[None]:
        summed = summed_in_order(*(run.entries() for run in self._runs))
        self._runs = [(yield from _run_of(summed))]
        if self._runs[0].count > self._most:
            raise TooManyCounted(self._most)


@dataclass(frozen=True, slots=True)
class _Run:
    """Objects in order, as payloads of parts of a list."""

    count: int
    parts: tuple[bytes, ...]

    def entries(self) -> Iterator[ListEntry]:
        """Yield the objects; no more than one part of them is taken apart."""
        for payload in self.parts:
            yield from decode_part("a count of packs", payload)


def _run_of(entries: Iterable[ListEntry]) -> Steps[_Run]:
    """Return the run of *entries*, which are in order, after a step for each of its parts."""
    parts, count = [], 0
    for piece in cut(entries, most=_PIECE, joined=_PIECE // 4):
        parts.append(encode_part(piece))
        count += len(piece)
        yield
    return _Run(count, tuple(parts))


def summed_in_order(*streams: Iterable[ListEntry]) -> Iterator[ListEntry]:
    """Yield the objects of streams that are in order, counts added up; what comes to 0 is left out.

    DiffersFromItself where one object comes with two sizes or runs.
    """
    held: ListEntry | None = None
    for entry in heapq.merge(*streams, key=lambda each: each.key):
        if held is not None and held.key == entry.key:
            held = _added(held, entry)
            continue
        if held is not None and held.count:
            yield held
        held = entry
    if held is not None and held.count:
        yield held


def difference(come: Iterable[ListEntry], gone: Iterable[ListEntry]) -> Iterator[ListEntry]:
    """Yield what changes where *come* is added and *gone* taken away; both are in order."""
    return summed_in_order(come, (each.counted(-each.count) for each in gone))


def _added(known: ListEntry, entry: ListEntry) -> ListEntry:
    try:
        return added(known, entry)
    except CorruptRepository as error:
        raise DiffersFromItself(str(error)) from error
