"""A chain's objects as prune saw them first, and which of them are needed.

Kept as columns, since there may be a million: what is needed is marked among what is listed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK, Key
from vmbackup_core.repository.primitives.identities import IndexId, PackId, WritingSession, is_id
from vmbackup_core.repository.primitives.names import (
    CHAINS,
    SlotFolder,
    index_name,
    pack_name,
    prefix_of_folder,
    prefix_of_healing,
)
from vmbackup_core.repository.primitives.parsed_names import (
    IndexName,
    ListPartName,
    PackName,
    parse_control,
    parse_data,
)
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import Store, StoredObject


def _words() -> array[int]:
    return array("I")


@dataclass(slots=True)
class Listed:
    """The packs or index objects of a listing: 13 bytes for each, and its session once."""

    kind: int
    _sessions: list[tuple[CommitSlot, WritingSession]] = field(default_factory=list)
    _starts: dict[tuple[CommitSlot, WritingSession], int] = field(default_factory=dict)
    _needed: bytearray = field(default_factory=bytearray)
    _at: array[int] = field(default_factory=_words)
    _numbers: array[int] = field(default_factory=_words)
    _sizes: array[int] = field(default_factory=_words)

    def __len__(self) -> int:
        return len(self._at)

    @property
    def size_bytes(self) -> int:
        """How much all of them are."""
        return sum(self._sizes)

    def append(self, held: PackId | IndexId, size_bytes: int) -> None:
        """Add an object, which comes behind all that are there: listings are in order.

        Raise CorruptRepository where it does not: it would be missed where it is needed.
        """
        session = held.slot, held.session
        last = self._sessions[-1] if self._sessions else None
        if last is not None and (session, held.number) <= (last, self._numbers[-1]):
            raise CorruptRepository(f"a listing is out of order at slot {held.slot}")
        if session != last:
            self._sessions.append(session)
            self._starts[session] = len(self._at)
        self._at.append(len(self._sessions) - 1)
        self._numbers.append(held.number)
        self._sizes.append(min(size_bytes, 2**32 - 1))
        self._needed.append(0)

    def mark(self, key: Key) -> None:
        """Note that something that is left needs the object, where it is listed."""
        _, slot, session, number = key
        start = self._starts.get((slot, session))
        if start is None:
            return
        row = self._at[start]
        end = bisect_left(self._at, row + 1, start)
        at = bisect_left(self._numbers, number, start, end)
        if at < end and self._numbers[at] == number:
            self._needed[at] = 1

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        """Yield every object's place in the order of lists, and its size."""
        for at, number, size in zip(self._at, self._numbers, self._sizes, strict=True):
            slot, session = self._sessions[at]
            yield (self.kind, slot, session, number), size

    def unneeded(self) -> Iterator[tuple[Key, int]]:
        """Yield the place of each that nothing was marked for, in the order of lists, its size."""
        columns = zip(self._at, self._numbers, self._sizes, self._needed, strict=True)
        for at, number, size, is_needed in columns:
            if not is_needed:
                slot, session = self._sessions[at]
                yield (self.kind, slot, session, number), size


@dataclass(frozen=True, slots=True)
class Listing:
    """What lay in a chain before its commits were looked at (S5)."""

    packs: Listed
    indexes: Listed
    healing: tuple[tuple[PackId, int], ...]
    list_parts: tuple[tuple[ListPartName, StoredObject], ...]

    @property
    def size_bytes(self) -> int:
        """How much all of it is."""
        others = sum(size for _, size in self.healing)
        others += sum(each.size_bytes for _, each in self.list_parts)
        return self.packs.size_bytes + self.indexes.size_bytes + others

    def mark(self, needed: Iterable[Key]) -> int:
        """Note what is needed, and return how much that was."""
        count = 0
        for key in needed:
            (self.indexes if key[0] == INDEX else self.packs).mark(key)
            count += 1
        return count


def list_objects(data: Store, control: Store, chain: ChainId) -> Listing:
    """Return the packs, index objects, healing packs and list parts of *chain*."""
    packs, indexes = Listed(PACK), Listed(INDEX)
    for each in _folder(data, chain, "p"):
        named = parse_data(each.name)
        if isinstance(named, PackName):
            packs.append(named.pack, each.size_bytes)
    for each in _folder(data, chain, "i"):
        named = parse_data(each.name)
        if isinstance(named, IndexName):
            indexes.append(named.index, each.size_bytes)
    healing = tuple(
        (named.pack, each.size_bytes)
        for each in data.list(prefix_of_healing(chain))
        if isinstance(named := parse_data(each.name), PackName)
    )
    parts = tuple(
        (part, each)
        for each in _folder(control, chain, "x")
        if isinstance(part := parse_control(each.name), ListPartName)
    )
    return Listing(packs, indexes, healing, parts)


def list_chains(places: Places) -> list[ChainId]:
    """Return every chain of which either place has anything, in order."""
    folders = {name for store in places.both() for name in store.folders(CHAINS)}
    named = sorted(folder.removeprefix(CHAINS).rstrip("/") for folder in folders)
    return [ChainId(each) for each in named if is_id(each)]


def name_of(chain: ChainId, key: Key) -> str:
    """Return the name of a pack or index object."""
    kind, slot, session, number = key
    if kind == INDEX:
        return index_name(chain, IndexId(slot, session, number))
    return pack_name(chain, PackId(slot, session, number))


def _folder(store: Store, chain: ChainId, folder: SlotFolder) -> Iterator[StoredObject]:
    return store.list(prefix_of_folder(chain, folder))
