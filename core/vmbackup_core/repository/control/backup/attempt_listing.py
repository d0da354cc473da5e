"""What the writing sessions of an attempt have stored, as listings say: the truth of all sizes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession
from vmbackup_core.repository.primitives.names import prefix_of_session
from vmbackup_core.repository.primitives.parsed_names import IndexName, PackName, parse_data
from vmbackup_core.stores.port import Store, StoredObject

_FOLDERS: Final[tuple[Literal["p", "i"], ...]] = ("p", "i")


class TooManyListed(Exception):
    """The sessions have stored more objects than an attempt at the disk can have."""

    def __init__(self, most: int) -> None:
        super().__init__(f"its sessions have stored more than {most} objects")


def _numbers() -> array[int]:
    return array("I")


def _sizes() -> array[int]:
    return array("Q")


@dataclass(slots=True)
class _Column:
    """One session's packs or index objects, in order of number: 12 bytes each."""

    numbers: array[int] = field(default_factory=_numbers)
    sizes: array[int] = field(default_factory=_sizes)

    def find(self, number: int) -> int | None:
        at = bisect_left(self.numbers, number)
        is_there = at < len(self.numbers) and self.numbers[at] == number
        return self.sizes[at] if is_there else None


@dataclass(slots=True)
class AttemptListing:
    """Number and size of each object of some sessions of one slot."""

    most: int
    count: int = 0
    total_bytes: int = 0
    _columns: dict[tuple[int, WritingSession], _Column] = field(default_factory=dict)

    def size_of(self, kind: int, session: WritingSession, number: int) -> int | None:
        """Return how long a pack or index object is; None where none is listed that can be read."""
        column = self._columns.get((kind, session))
        return None if column is None else column.find(number)

    def add(self, each: StoredObject) -> None:
        """Take in a line of a listing; those of one session come in order of number.

        What was stored archived may lie there, since whoever may create a blob may do that: nobody
        can read it, and whoever needs it finds it not listed.
        """
        self.count += 1
        if self.count > self.most:
            raise TooManyListed(self.most)
        if each.archived:
            self.total_bytes += each.size_bytes
            return
        named = parse_data(each.name)
        if isinstance(named, PackName):
            self._append(PACK, named.pack, each.size_bytes)
        elif isinstance(named, IndexName):
            self._append(INDEX, named.index, each.size_bytes)

    def _append(self, kind: int, held: PackId | IndexId, size_bytes: int) -> None:
        column = self._columns.setdefault((kind, held.session), _Column())
        column.numbers.append(held.number)
        column.sizes.append(size_bytes)
        self.total_bytes += size_bytes


def list_attempt(
    data: Store, chain: ChainId, slot: CommitSlot, sessions: Iterable[WritingSession], most: int
) -> AttemptListing:
    """Return what *sessions* have stored for *slot*, page by page; raise TooManyListed."""
    listing = AttemptListing(most)
    for session in sessions:
        for folder in _FOLDERS:
            for each in data.list(prefix_of_session(chain, folder, slot, session)):
                listing.add(each)
    return listing
