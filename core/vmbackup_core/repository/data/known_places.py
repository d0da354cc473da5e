"""The blocks of one shard that need not be stored (again), by their hash."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Union

from vmbackup_core.repository.data.footer import Records
from vmbackup_core.repository.data.pack_writer import OwnPack, RecordAt
from vmbackup_core.repository.data.records import TAG_BYTES, RecordKind
from vmbackup_core.repository.data.sections import HASH_BYTES, Bases, Entries
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.frames import DELTA

#: A pack that is stored, or one that will be before the shard's section is.
Row = Union[PackRow, OwnPack]  # noqa: UP007 - evaluated at run time on 3.10

#: Tells whether the record that lies at an offset in a row's holder must not be used.
IsBad = Callable[[PackRow, int], bool]

_NOWHERE = 0


class KnownPlaces:
    """What is stored or being stored: from the newest manifest, adopted packs and this attempt.

    Nothing else (W of the page). Threads ask and tell at once: of several that meet the same new
    block, one gets the claim.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._row_of: dict[int, int] = {}
        self._entries = Entries()
        self._by_hash: dict[bytes, int] = {}
        self._base_of: dict[int, int] = {}
        self._bad: set[int] = set()
        self._of_newest = 0
        self.new_blocks = 0
        self.delta_blocks = 0

    def add_newest(self, view: ShardView[PackRow], is_bad: IsBad | None) -> None:
        """Know the newest manifest's entries, under the numbers that they have in *view*.

        Nothing else may be known yet. Those of bad records are not found by their hash.
        """
        self._rows.extend(view.rows)
        self._entries.extend(view.entries)
        self._of_newest = len(self._entries)
        self._base_of = {entry: number for number, entry in enumerate(view.entries.deltas())}
        if is_bad is not None:
            self._bad = set(bad_entries(view, is_bad))
        hashes = tuple(view.entries.every_hash())
        # The first of several with one hash is the one that is found: it is put there last.
        self._by_hash = {
            hashes[entry]: entry for entry in reversed(range(len(hashes))) if entry not in self._bad
        }

    def add_adopted(self, row: PackRow, records: Records) -> None:
        """Know every block of an adopted pack: of a delta where its base may be one's base here."""
        number = len(self._rows)
        self._rows.append(row)
        offsets, base_hashes = records.offsets(), records.each_base_hash()
        for record, codec in enumerate(records.codecs):
            base = self._find_base(next(base_hashes)) if codec == DELTA else None
            block_hash = records.hash_at(record)
            if block_hash in self._by_hash or (codec == DELTA and base is None):
                continue
            entry = self._by_hash[block_hash] = self._append(block_hash)
            self._fill(entry, (number, record, offsets[record], records.lengths[record]), codec)
            if base is not None:
                self._note_base(entry, base, records.block_bytes[record])

    def find(self, block_hash: bytes) -> int | None:
        """Return the entry with a block's place."""
        return self._by_hash.get(block_hash)

    @property
    def has_bad(self) -> bool:
        """Whether any entry of the newest manifest must not be used."""
        return bool(self._bad)

    def is_bad(self, entry: int) -> bool:
        """Tell whether an entry of the newest manifest must not be used."""
        return entry in self._bad

    def is_whole(self, entry: int) -> bool:
        """Tell whether an entry of the newest manifest may be the base of a delta."""
        return self._entries.codecs[entry] != DELTA and entry not in self._bad

    def hash_at(self, entry: int) -> bytes:
        """Return the block hash of an entry."""
        return self._entries.hash_at(entry)

    def encoded_bytes(self, entry: int) -> int:
        """Return how long the encoded block of an entry is."""
        return self._entries.lengths[entry] - TAG_BYTES

    def claim(self, block_hash: bytes) -> tuple[int, bool]:
        """Return the block's entry, and whether it is the caller who has to store it."""
        with self._lock:
            entry = self._by_hash.get(block_hash)
            if entry is not None:
                return entry, False
            entry = self._by_hash[block_hash] = self._append(block_hash)
            self.new_blocks += 1
            return entry, True

    def stored(self, entry: int, at: RecordAt, kind: RecordKind, base: int | None) -> None:
        """Know where the block lies that the caller had claimed.

        A delta is one after the block of the entry *base*.
        """
        with self._lock:
            place = (self._own_row(at.pack), at.number, at.offset, at.length)
            self._fill(entry, place, kind.codec)
            if base is not None:
                self.delta_blocks += 1
                self._note_base(entry, base, kind.block_bytes)

    def view(self, shard: int, at: array[int]) -> ShardView[Row]:
        """Return the shard whose blocks have the entries *at*; nothing may be claimed and owed."""
        bases = Bases()
        for entry in sorted(self._base_of):
            number = self._base_of[entry]
            bases.append(self._entries.bases, number, self._entries.bases.rows[number])
        return ShardView(shard, self._rows, at, replace(self._entries, bases=bases))

    def _own_row(self, pack: OwnPack) -> int:
        row = self._row_of.setdefault(id(pack), len(self._rows))
        if row == len(self._rows):
            self._rows.append(pack)
        return row

    def _find_base(self, block_hash: bytes) -> int | None:
        """Return the newest manifest's entry of a whole record of a block (S30)."""
        entry = self._by_hash.get(block_hash)
        is_base = entry is not None and entry < self._of_newest and self.is_whole(entry)
        return entry if is_base else None

    def _note_base(self, entry: int, base: int, block_bytes: int) -> None:
        self._base_of[entry] = len(self._entries.bases)
        self._append_base(base, block_bytes)

    def _append_base(self, entry: int, block_bytes: int) -> None:
        theirs, bases = self._entries, self._entries.bases
        bases.rows.append(theirs.rows[entry])
        bases.numbers.append(theirs.numbers[entry])
        bases.offsets.append(theirs.offsets[entry])
        bases.lengths.append(theirs.lengths[entry])
        bases.codecs.append(theirs.codecs[entry])
        bases.block_bytes.append(block_bytes)
        bases.hashes.extend(theirs.hash_at(entry))

    def _append(self, block_hash: bytes) -> int:
        entries = self._entries
        for column in (entries.rows, entries.numbers, entries.offsets, entries.lengths):
            column.append(_NOWHERE)
        entries.codecs.append(0)
        entries.hashes.extend(block_hash[:HASH_BYTES])
        return len(entries) - 1

    def _fill(self, entry: int, place: tuple[int, int, int, int], codec: int) -> None:
        entries = self._entries
        (
            entries.rows[entry],
            entries.numbers[entry],
            entries.offsets[entry],
            entries.lengths[entry],
        ) = place
        entries.codecs[entry] = codec


def bad_entries(view: ShardView[PackRow], is_bad: IsBad) -> Iterator[int]:
    """Yield the entries whose record is bad, or that are deltas after one that is."""
    entries, bases, deltas = view.entries, view.entries.bases, 0
    for entry, codec in enumerate(entries.codecs):
        bad = is_bad(view.rows[entries.rows[entry]], entries.offsets[entry])
        if codec == DELTA:
            bad = bad or is_bad(view.rows[bases.rows[deltas]], bases.offsets[deltas])
            deltas += 1
        if bad:
            yield entry
