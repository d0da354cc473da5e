"""What the sections of a manifest need, table by table: for lists that follow from tables alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.counting import NO_RUN, Section, sections_of
from vmbackup_core.repository.control.pack_list import INDEX, PACK, ListEntry
from vmbackup_core.repository.data.manifest import IndexObject, Manifest
from vmbackup_core.repository.data.tables import PackRow, SessionRow, Table


class OpensTables(Protocol):
    """Opens the tables of one manifest's index objects."""

    def open(self, at: IndexObject, sections: int) -> Table:
        """Return the table of an index object in which so many sections are named.

        CorruptRepository where it is damaged or missing.
        """


class DamagedTable(CorruptRepository):
    """The table of an index object that a manifest names does not open."""

    def __init__(self, at: IndexObject, why: CorruptRepository) -> None:
        super().__init__(str(why))
        self.at = at
        self.why = why


@dataclass(frozen=True, slots=True)
class Needed:
    """A section of a manifest and the rows of its table."""

    section: Section
    rows: Sequence[PackRow]

    def entries(self) -> Iterator[ListEntry]:
        """Yield what the section needs: its index object, and each pack once."""
        at = self.section.object
        lies_in = SessionRow(at.index.slot, at.index.session, NO_RUN, 0)
        yield ListEntry(INDEX, lies_in, at.index.number, at.size_bytes, 1)
        for session, number, size in {_held(row) for row in self.rows}:
            yield ListEntry(PACK, session, number, size, 1)


def needed_by(tables: OpensTables, sections: Iterable[Section]) -> Iterator[Needed]:
    """Yield what *sections* need; DamagedTable where a table does not open or lacks one of them."""
    for each in _by_object(sections):
        yield from _needed_in(tables, each)


def needed_where_open(tables: OpensTables, sections: Iterable[Section]) -> Iterator[Needed]:
    """Yield what those of *sections* need whose tables open."""
    for each in _by_object(sections):
        with suppress(DamagedTable):
            yield from _needed_in(tables, each)


def only_in(manifest: Manifest | None, other: Manifest | None) -> Iterator[Section]:
    """Yield the sections of *manifest* that *other* does not name."""
    if manifest is None:
        return
    named = set() if other is None else {section.place for section in sections_of(other)}
    yield from (section for section in sections_of(manifest) if section.place not in named)


def _by_object(sections: Iterable[Section]) -> Iterator[list[Section]]:
    by_object: defaultdict[int, list[Section]] = defaultdict(list)
    for section in sections:
        by_object[section.ref.object].append(section)
    yield from (by_object[row] for row in sorted(by_object))


def _needed_in(tables: OpensTables, sections: list[Section]) -> Iterator[Needed]:
    """Walk one table once, whatever it has."""
    at = sections[0].object
    try:
        table = tables.open(at, len(sections))
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
