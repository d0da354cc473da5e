"""Makes the pack list of an attempt: the newest commit's, as the tables change it; section 12.

The rows of new sections are looked at on the way, each of them (S3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository, LostAttempt
from vmbackup_core.repository.control.backup.admission import (
    Expected,
    is_new,
    row_refusal,
    unknown_in,
)
from vmbackup_core.repository.control.backup.attempt_listing import AttemptListing
from vmbackup_core.repository.control.backup.attempt_tables import AttemptTables
from vmbackup_core.repository.control.commits.commits import ListPartRef
from vmbackup_core.repository.control.commits.counting import (
    Needed,
    Section,
    needed_by,
    needed_where_open,
    only_in,
    sections_of,
)
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.commits.pack_list import INDEX, LIST_MOST, ListEntry
from vmbackup_core.repository.control.commits.tally import (
    DiffersFromItself,
    Tally,
    TooManyCounted,
    difference,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import IndexId
from vmbackup_core.stores.port import ObjectUnreadable, Store


class UnknownObject(LostAttempt):
    """The attempt names what is neither its own nor needed by the newest commit (S3)."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is not committed: {why}", reason="UnknownObject")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A manifest that is to be committed, what is listed of it, and the newest commit.

    *list_is_wrong* says that a recount of the newest commit's list came to another one.
    """

    name: str
    manifest: Manifest
    listing: AttemptListing
    newest: Manifest | None
    newest_list: tuple[ListPartRef, ...]
    list_is_wrong: bool = False

    @property
    def listed_before(self) -> int:
        """How many objects the newest commit's list has."""
        return sum(ref.entries for ref in self.newest_list)


@dataclass(frozen=True)
class ListMaking:
    """Makes the list of one attempt."""

    control: Control
    data: Store
    keys: ChainKeys
    expected: Expected
    attempt: Attempt
    epoch: int

    def make(self) -> tuple[ListPartRef, ...]:
        """Put the parts of the list and return them.

        Raise UnknownObject, and DamagedTable where a table of the attempt does not open.
        """
        come = self._come()
        if not self.attempt.list_is_wrong:
            with suppress(CorruptRepository):
                return self._changed(come)
        return self._counted_anew(come)

    def refuse_row(self, row: PackRow) -> str | None:
        """Return why a new section may not need a pack, as far as its row tells."""
        return row_refusal(self.expected, self.attempt.listing, row)

    def unknown(self, known: Iterable[ListEntry], come: Iterable[ListEntry]) -> Iterator[str]:
        """Yield what of earlier slots a new section may not need."""
        return unknown_in(known, come, self.expected.slot)

    def entries(self, needed: Needed) -> Iterable[ListEntry]:
        """Return what a section needs: delta bases are rows like others (S30)."""
        return needed.entries()

    def _come(self) -> Tally:
        """Count what the new sections need, and look at each of their rows."""
        attempt = self.attempt
        tables = AttemptTables(
            self.data, self.keys, attempt.manifest, self.expected, attempt.listed_before
        )
        come = Tally(attempt.listing.count + attempt.listed_before)
        try:
            for needed in needed_by(tables, self._sections(new=True)):
                self._check_rows(needed)
                come.add(self.entries(needed))
            come.settle()
        except (DiffersFromItself, TooManyCounted, ObjectUnreadable) as error:
            raise UnknownObject(attempt.name, str(error)) from error
        return come

    def _check_rows(self, needed: Needed) -> None:
        for row in needed.rows:
            why = self.refuse_row(row)
            if why is not None:
                told = f"the {needed.section.kind} of shard {needed.section.shard}"
                raise UnknownObject(self.attempt.name, f"{told}: {why}")

    def _changed(self, come: Tally) -> tuple[ListPartRef, ...]:
        """Put the newest commit's list with what comes and goes.

        CorruptRepository where it does not open or agree, or a table that says what goes.
        """
        attempt, chain = self.attempt, self.expected.chain.chain
        before = OpenList(self.control, chain, attempt.newest_list)
        kept = {section.object.index for section in self._sections(new=False)}
        listed = _watched(before, kept)
        self._check_known(listed, come)
        deque(listed, maxlen=0)  # to its end
        if kept:
            raise CorruptRepository(f"the newest list lacks {len(kept)} index objects")
        gone = Tally(LIST_MOST)
        if attempt.newest is not None:
            dropped = only_in(attempt.newest, attempt.manifest)
            for needed in needed_by(self._tables_of(attempt.newest), dropped):
                gone.add(self.entries(needed))
        changes = difference(come.entries(), gone.entries())
        return put_list(before, changes, self.expected.slot, self.epoch)

    def _counted_anew(self, come: Tally) -> tuple[ListPartRef, ...]:
        """Put a list that is counted from all tables of the attempt.

        Packs of earlier slots are looked up in those tables of the newest manifest that open.
        """
        known = Tally(LIST_MOST)
        newest, manifest = self.attempt.newest, self.attempt.manifest
        if newest is not None:
            for needed in needed_where_open(self._tables_of(newest), sections_of(newest)):
                known.add(self.entries(needed))
        self._check_known(known.entries(), come)
        whole = Tally(LIST_MOST)
        for needed in needed_by(self._tables_of(manifest), self._sections(new=False)):
            whole.add(self.entries(needed))
        whole.add(come.entries())
        empty = OpenList(self.control, self.expected.chain.chain, ())
        return put_list(empty, whole.entries(), self.expected.slot, self.epoch)

    def _tables_of(self, manifest: Manifest) -> IndexReader:
        return IndexReader(self.data, self.keys, manifest)

    def _sections(self, *, new: bool) -> Iterator[Section]:
        slot = self.expected.slot
        every = sections_of(self.attempt.manifest)
        return (section for section in every if is_new(slot, section) == new)

    def _check_known(self, known: Iterable[ListEntry], come: Tally) -> None:
        for why in self.unknown(known, come.entries()):
            raise UnknownObject(self.attempt.name, why)


def _watched(listed: OpenList, kept: set[IndexId]) -> Iterator[ListEntry]:
    """Yield a list, and take out of *kept* the index objects that it has."""
    for part in listed.parts():
        for entry in part:
            if entry.kind == INDEX:
                kept.discard(IndexId(entry.session.slot, entry.session.session, entry.number))
            yield entry
