"""What the tables of a manifest say it needs: counted anew, or as a change from another; pure.

No section is opened for it, and of a change only the tables that have sections that come or go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.pack_list import INDEX, PACK, ListEntry, summed
from vmbackup_core.repository.data.manifest import IndexObject, Manifest, SectionRef
from vmbackup_core.repository.data.tables import PackRow, SectionType, SessionRow, Table
from vmbackup_core.repository.primitives.identities import IndexId

#: Sessions of index objects stand in a list without run and epoch: manifests do not say them.
NO_RUN: Final = RunId("0" * 32)


class Tables(Protocol):
    """The tables of one manifest's index objects."""

    def table(self, row: int) -> Table:
        """Return the table of an index object of the manifest; CorruptRepository or NotStored."""


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


def recount(counted: Counted) -> list[ListEntry]:
    """Return the pack list of a manifest from all of its tables, in order."""
    return summed(_entries(counted, sections_of(counted.manifest), 1))


def recount_what_opens(counted: Counted) -> list[ListEntry]:
    """Return what those of a manifest's tables need that open, in order."""
    found: list[ListEntry] = []
    for sections in _by_object(sections_of(counted.manifest)).values():
        with suppress(CorruptRepository):
            found += list(_entries(counted, sections, 1))
    return summed(found)


def change(before: Counted, after: Counted) -> list[ListEntry]:
    """Return what is to be added to the list of *before* to have that of *after*, in order."""
    old = {section.place for section in sections_of(before.manifest)}
    new = {section.place for section in sections_of(after.manifest)}
    gone = (each for each in sections_of(before.manifest) if each.place not in new)
    come = (each for each in sections_of(after.manifest) if each.place not in old)
    return summed([*_entries(before, gone, -1), *_entries(after, come, 1)])


def _entries(counted: Counted, sections: Iterable[Section], sign: int) -> Iterator[ListEntry]:
    """Yield what each of *sections* needs, one table after the other."""
    by_object = _by_object(sections)
    for row in sorted(by_object):
        table = counted.tables.table(row)
        for section in by_object[row]:
            yield _index_entry(section.object, sign)
            yield from (_pack_entry(*held, sign) for held in _holders(table, section))


def _by_object(sections: Iterable[Section]) -> dict[int, list[Section]]:
    found: defaultdict[int, list[Section]] = defaultdict(list)
    for section in sections:
        found[section.ref.object].append(section)
    return found


def _holders(table: Table, section: Section) -> set[tuple[SessionRow, int, int]]:
    """Return the packs that hold what the section needs: each once, of however many origins."""
    rows = table.rows_of(section.shard, section.kind)
    if rows is None:
        raise CorruptRepository(
            f"index object {section.object.index.number} of session "
            f"{section.object.index.session}: its table has no {section.kind} of shard "
            f"{section.shard}"
        )
    return {_held(row) for row in rows}


def _held(row: PackRow) -> tuple[SessionRow, int, int]:
    return row.holder_session, row.holder_number, row.size_bytes


def _pack_entry(session: SessionRow, number: int, size_bytes: int, sign: int) -> ListEntry:
    return ListEntry(PACK, session, number, size_bytes, sign)


def _index_entry(at: IndexObject, sign: int) -> ListEntry:
    session = SessionRow(at.index.slot, at.index.session, NO_RUN, 0)
    return ListEntry(INDEX, session, at.index.number, at.size_bytes, sign)
