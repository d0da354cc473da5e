"""Pack lists against the tables that they follow from, and the places' listings against both.

All are streams in the order of names: of each list one part is in memory, as columns.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain as chained
from itertools import zip_longest

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check.chains import missing_where_gone
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.control.commits.commits import ListPartRef
from vmbackup_core.repository.control.commits.counting import (
    Counted,
    Tables,
    change,
    recount,
    recount_what_opens,
)
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import (
    INDEX,
    Key,
    ListEntry,
    described,
    merge,
)
from vmbackup_core.repository.control.commits.prune_listing import Listed
from vmbackup_core.repository.control.commits.tally import Tally
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.tables import Table
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import IndexId, PackId
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import (
    IndexName,
    PackName,
    name_in_chain,
    parse_data,
)
from vmbackup_core.stores.port import UNREADABLE_NOW, Store

#: An object that is needed, and the size that it is to have.
Needed = tuple[Key, int]

#: What keeps a table or a part from being read.
_STOPS = (CorruptRepository, NotUnderstood, *UNREADABLE_NOW)


@dataclass(frozen=True, slots=True)
class _Right:
    """A manifest whose list is what its tables say."""

    counted: Counted
    refs: tuple[ListPartRef, ...]


@dataclass
class ListCheck:
    """Compares the lists of a chain's manifests, the oldest first, and keeps what they need.

    A list that is right serves for the next one: of that only what has changed is counted.
    """

    control: Control
    chain: ChainId
    seen: Observations
    _last: _Right | None = None
    _streamed: set[str] = field(default_factory=set)
    _streams: list[Iterable[Needed]] = field(default_factory=list)

    def compare(
        self, name: str, refs: tuple[ListPartRef, ...], manifest: Manifest, tables: Tables
    ) -> None:
        """Compare the list *refs* of the manifest called *name* with its tables."""
        counted = Counted(manifest, tables)
        whole = self._open_parts(refs)
        try:
            is_right = whole and self._is_right(name, refs, counted)
            if not is_right:
                self._streams.append(_needed(recount(counted)))
        except _STOPS:  # said of the table: what is listed and what opens is needed
            self._add(refs)
            self._streams.append(_needed(recount_what_opens(_patient(counted))))
            return
        if is_right:
            self._last = _Right(counted, refs)
            self._add(refs)

    def count(self, manifest: Manifest, tables: Tables) -> None:
        """Keep what a manifest needs whose commit is lost, by those of its tables that open."""
        self._streams.append(_needed(recount_what_opens(_patient(Counted(manifest, tables)))))

    def believe(self, refs: tuple[ListPartRef, ...]) -> None:
        """Keep what is listed of a manifest that does not open."""
        self._open_parts(refs)
        self._add(refs)

    def needed(self) -> Iterator[tuple[Key, set[int]]]:
        """Yield every object that is needed, in order, with the sizes that it is said to have."""
        at: Key | None = None
        sizes: set[int] = set()
        for key, size in heapq.merge(*self._streams):
            if key != at:
                if at is not None:
                    yield at, sizes
                at, sizes = key, set()
            sizes.add(size)
        if at is not None:
            yield at, sizes

    def _open_parts(self, refs: Sequence[ListPartRef]) -> bool:
        """Look at the parts that no list before has named; tell whether all of *refs* open."""
        for ref in refs:
            if ref.name not in self._streamed:
                name, store = _name(self.chain, ref), self.control.store
                with self.seen.noting("control", name), missing_where_gone(store, name):
                    for _ in self._opened((ref,)):
                        pass
        return not any(self.seen.found("control", _name(self.chain, ref)) for ref in refs)

    def _opened(self, refs: tuple[ListPartRef, ...]) -> Iterator[list[ListEntry]]:
        return OpenList(self.control, self.chain, refs).parts()

    def _is_right(self, name: str, refs: tuple[ListPartRef, ...], counted: Counted) -> bool:
        expected = self._expected(counted)
        listed = chained.from_iterable(self._opened(refs))
        try:
            for ours, theirs in zip_longest(expected, listed):
                if ours != theirs:
                    self._say(name, refs, ours, theirs)
                    return False
        except CorruptRepository as error:  # parts that open and do not follow each other
            self.seen.say("control", _name(self.chain, refs[0]), "listDiffers", str(error))
            return False
        return True

    def _expected(self, counted: Counted) -> Iterator[ListEntry]:
        if self._last is None:
            return recount(counted).entries()
        changes = change(self._last.counted, counted)
        merged = merge(self._opened(self._last.refs), changes)
        return (entry for entry in merged if entry is not None)

    def _say(
        self,
        name: str,
        refs: Sequence[ListPartRef],
        ours: ListEntry | None,
        theirs: ListEntry | None,
    ) -> None:
        odd = min((each for each in (ours, theirs) if each is not None), key=lambda it: it.key)
        counts = [f"{each.count} times" if each else "not" for each in (ours, theirs)]
        said = f"{described(odd)} is needed {counts[0]} by the tables of {name}"
        at = _name(self.chain, refs[0]) if refs else name
        self.seen.say(
            "control" if refs else "data", at, "listDiffers", f"{said}, listed {counts[1]}"
        )

    def _add(self, refs: Sequence[ListPartRef]) -> None:
        """Keep what *refs* list; parts that a list before has named are streamed once."""
        mine = [ref for ref in refs if ref.name not in self._streamed]
        self._streamed |= {ref.name for ref in mine}
        self._streams.append(self._stream(mine))

    def _stream(self, refs: Sequence[ListPartRef]) -> Iterator[Needed]:
        for ref in refs:
            try:
                packs, indexes = Listed(0), Listed(INDEX)
                for entry in chained.from_iterable(self._opened((ref,))):
                    _keep(entry, packs, indexes)
            except _STOPS:  # said of the part
                continue
            yield from packs
            yield from indexes


def listed_objects(data: Store, chain: ChainId, seen: Observations) -> Iterator[Needed]:
    """Yield the packs, then the index objects, that a listing of the chain shows, with sizes."""
    packs, indexes = prefix_of_folder(chain, "p"), prefix_of_folder(chain, "i")
    with seen.noting("data", packs):
        for each in data.list(packs):
            named = parse_data(each.name)
            if isinstance(named, PackName):
                pack = named.pack
                yield (0, pack.slot, pack.session, pack.number), each.size_bytes
    with seen.noting("data", indexes):
        for each in data.list(indexes):
            found = parse_data(each.name)
            if isinstance(found, IndexName):
                index = found.index
                yield (INDEX, index.slot, index.session, index.number), each.size_bytes


def joined(
    listed: Iterator[Needed], needed: Iterator[tuple[Key, set[int]]]
) -> Iterator[tuple[Key, int | None, set[int]]]:
    """Yield every object that is listed or needed, in order.

    With each go its size as listed, None where it is missing, and the sizes that it is to have,
    none where nothing needs it.
    """
    at, wanted = next(listed, None), next(needed, None)
    while at is not None or wanted is not None:
        if wanted is None or (at is not None and at[0] < wanted[0]):
            if at is not None:
                yield at[0], at[1], set()
            at = next(listed, None)
        elif at is None or wanted[0] < at[0]:
            yield wanted[0], None, wanted[1]
            wanted = next(needed, None)
        else:
            yield at[0], at[1], wanted[1]
            at, wanted = next(listed, None), next(needed, None)


@dataclass(frozen=True, slots=True)
class _Patient(Tables):
    """Tables of which one that cannot be read now is as one that is damaged."""

    inner: Tables

    @override
    def table(self, row: int) -> Table:
        try:
            return self.inner.table(row)
        except (NotUnderstood, *UNREADABLE_NOW) as error:
            raise CorruptRepository(str(error)) from error


def _patient(counted: Counted) -> Counted:
    return Counted(counted.manifest, _Patient(counted.tables))


def _keep(entry: ListEntry, packs: Listed, indexes: Listed) -> None:
    by, number = entry.session, entry.number
    if entry.kind == INDEX:
        indexes.append(IndexId(by.slot, by.session, number), entry.size_bytes)
    else:
        packs.append(PackId(by.slot, by.session, number), entry.size_bytes)


def _needed(counted: Tally) -> Iterator[Needed]:
    return ((entry.key, entry.size_bytes) for entry in counted.entries())


def _name(chain: ChainId, ref: ListPartRef) -> str:
    return name_in_chain(chain, ref.name)
