"""What the tables of a manifest say it needs: counted anew, or as a change from another; pure.

No section is opened for it, and of a change only the tables that have sections that come or go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.commits.pack_list import INDEX, LIST_MOST, PACK, ListEntry
from vmbackup_core.repository.control.commits.tally import Tally, difference
from vmbackup_core.repository.data.manifest import IndexObject, Manifest, SectionRef
from vmbackup_core.repository.data.tables import PackRow, SectionType, SessionRow, Table
from vmbackup_core.repository.primitives.identities import IndexId
from vmbackup_core.repository.primitives.steps import Steps, take_all

#: Sessions of index objects stand in a list without run and epoch: manifests do not say them.
NO_RUN: Final = RunId("0" * 32)


class Tables(Protocol):
    """The tables of one manifest's index objects."""

    def table(self, row: int) -> Table:
        """Return the table of an index object of the manifest; CorruptRepository or NotStored."""


class DamagedTable(CorruptRepository):
    """The table of an index object that a manifest names does not open, or lacks a section."""

    def __init__(self, at: IndexObject, why: CorruptRepository) -> None:
        super().__init__(str(why))
        self.at = at
        self.why = why


@dataclass(frozen=True, slots=True)
class Section:
    """A section that a manifest names, and the index object that it lies in."""

    shard: int
    kind: SectionType
    ref: SectionRef
    object: IndexObject

    @property
    def place(self) -> tuple[IndexId, int]:
        """What tells a section from any other of the chain."""
        return self.object.index, self.ref.offset


@dataclass(frozen=True, slots=True)
class Counted:
    """A manifest with its tables."""

    manifest: Manifest
    tables: Tables


def sections_of(manifest: Manifest) -> Iterator[Section]:
    """Yield every section that *manifest* names; a base and its patch are counted apart."""
    for line in manifest.lines:
        yield Section(line.shard, "base", line.base, manifest.objects[line.base.object])
        if line.patch is not None:
            yield Section(line.shard, "patch", line.patch, manifest.objects[line.patch.object])


def recount(counted: Counted) -> Tally:
    """Return the pack list of a manifest, counted from all of its tables."""
    return take_all(recounting(counted))


def recounting(counted: Counted) -> Steps[Tally]:
    """Return the same in steps: of one section, or of a part of what was counted."""
    return _tallying(needed_by(counted.tables, sections_of(counted.manifest)))


def recount_what_opens(counted: Counted) -> Tally:
    """Return what those of a manifest's tables need that open."""
    return _tallied(needed_where_open(counted.tables, sections_of(counted.manifest)))


@dataclass(frozen=True, slots=True)
class Needed:
    """A section of a manifest and its rows of the table."""

    section: Section
    rows: Sequence[PackRow]

    def entries(self) -> Iterator[ListEntry]:
        """Yield what the section needs: its index object, and each pack once.

        A pack is one, of however many origins its records are.
        """
        at = self.section.object
        lies_in = SessionRow(at.index.slot, at.index.session, NO_RUN, 0)
        yield ListEntry(INDEX, lies_in, at.index.number, at.size_bytes, 1)
        for session, number, size in {_held(row) for row in self.rows}:
            yield ListEntry(PACK, session, number, size, 1)


def needed_by(tables: Tables, sections: Iterable[Section]) -> Iterator[Needed]:
    """Yield what *sections* need; DamagedTable where a table does not open or lacks one of them."""
    for each in _by_object(sections):
        yield from _needed_in(tables, each)


def needed_where_open(tables: Tables, sections: Iterable[Section]) -> Iterator[Needed]:
    """Yield what those of *sections* need whose tables open; what one lacks is left out."""
    for each in _by_object(sections):
        with suppress(DamagedTable):
            yield from _needed_in(tables, each)


def change(before: Counted, after: Counted) -> Iterator[ListEntry]:
    """Return what is to be added to the list of *before* to have that of *after*, in order.

    The tables are counted at once. CorruptRepository comes later, of an object that the two do not
    agree on.
    """
    gone = _tallied(needed_by(before.tables, only_in(before.manifest, after.manifest)))
    come = _tallied(needed_by(after.tables, only_in(after.manifest, before.manifest)))
    return difference(come.entries(), gone.entries())


def only_in(manifest: Manifest, other: Manifest) -> Iterator[Section]:
    """Yield the sections of *manifest* that *other* does not name."""
    named = {section.place for section in sections_of(other)}
    return (section for section in sections_of(manifest) if section.place not in named)


def _tallied(needed: Iterable[Needed]) -> Tally:
    return take_all(_tallying(needed))


def _tallying(needed: Iterable[Needed]) -> Steps[Tally]:
    tally = Tally(LIST_MOST)
    for each in needed:
        yield from tally.adding(each.entries())
        yield
    yield from tally.settling()
    return tally


def _by_object(sections: Iterable[Section]) -> Iterator[list[Section]]:
    found: defaultdict[int, list[Section]] = defaultdict(list)
    for section in sections:
        found[section.ref.object].append(section)
    yield from (found[row] for row in sorted(found))


def _needed_in(tables: Tables, sections: list[Section]) -> Iterator[Needed]:
    """Walk one table once, however many sections it has."""
    at = sections[0].object
    try:
        table = tables.table(sections[0].ref.object)
    except CorruptRepository as error:
        raise DamagedTable(at, error) from error
    wanted = {(section.shard, section.kind): section for section in sections}
    for each in table.sections():
        section = wanted.pop((each.shard, each.type), None)
        if section is not None:
            yield Needed(section, each.rows)
    for shard, kind in wanted:
        lacking = CorruptRepository(
            f"index object {at.index.number} of session {at.index.session}: its table has no "
            f"{kind} of shard {shard}"
        )
        raise DamagedTable(at, lacking)


def _held(row: PackRow) -> tuple[SessionRow, int, int]:
    return row.holder_session, row.holder_number, row.size_bytes
