"""The blocks of one shard that need not be stored (again), by their hash."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmbackup_core.repository.index import (
    FIRST_RECORD_AT,
    HASH_BYTES,
    PackRow,
    RecordPlace,
    ShardIndex,
)
from vmbackup_core.repository.names import PackId
from vmbackup_core.repository.pack import PackFooter

#: Stands for a block that is claimed and not stored yet.
_CLAIMED = -1


@dataclass(slots=True)
class _Places:
    """Where records lie; columns, since a shard may have 1,048,576 of them."""

    rows: array[int] = field(default_factory=lambda: array("I"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    offsets: array[int] = field(default_factory=lambda: array("I"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    codecs: bytearray = field(default_factory=bytearray)

    def add(self, place: RecordPlace) -> int:
        self.rows.append(place.row)
        self.numbers.append(place.number)
        self.offsets.append(place.offset)
        self.lengths.append(place.length)
        self.codecs.append(place.codec)
        return len(self.rows) - 1


class KnownBlocks:
    """What is stored already or being stored: from indexes, from adopted packs, by this session.

    Threads ask and tell at once: of several that meet the same new block, one gets the claim.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[bytes, int] = {}
        self._places = _Places()
        self._packs: list[tuple[PackId, PackId]] = []
        self._row_of: dict[tuple[PackId, PackId], int] = {}
        self._sizes: dict[PackId, int] = {}
        self.new_blocks = 0

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._entries

    def add_index(self, index: ShardIndex) -> None:
        """Know every block of *index*."""
        rows = [self._row(each.holder, each.origin) for each in index.packs]
        self._sizes.update((each.holder, each.size_bytes) for each in index.packs)
        for entry in range(index.used_blocks):
            place = index.place_at(entry)
            moved = RecordPlace(
                rows[place.row], place.number, place.offset, place.length, place.codec
            )
            self._entries.setdefault(index.hash_at(entry), self._places.add(moved))

    def add_pack(self, pack: PackId, size_bytes: int, footer: PackFooter) -> None:
        """Know every block of an adopted pack."""
        row = self._row(pack, pack)
        self._sizes[pack] = size_bytes
        offset = FIRST_RECORD_AT
        for number, length in enumerate(footer.lengths):
            block_hash = footer.hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES]
            if block_hash not in self._entries:
                place = RecordPlace(row, number, offset, length, footer.codecs[number])
                self._entries[block_hash] = self._places.add(place)
            offset += length

    def claim(self, block_hash: bytes) -> bool:
        """Return whether it is the caller who has to store this block."""
        with self._lock:
            if block_hash in self._entries:
                return False
            self._entries[block_hash] = _CLAIMED
            self.new_blocks += 1
            return True

    def stored(self, block_hash: bytes, pack: PackId, place: RecordPlace) -> None:
        """Know where the block lies that the caller had claimed; the place's row says nothing."""
        with self._lock:
            moved = RecordPlace(
                self._row(pack, pack), place.number, place.offset, place.length, place.codec
            )
            self._entries[block_hash] = self._places.add(moved)

    def index(
        self, shard: int, blocks: int, bitmap: bytes, hashes: bytes, sizes: Mapping[PackId, int]
    ) -> ShardIndex:
        """Return the index of the used blocks with *hashes*; *sizes* are those of new packs."""
        entries = [
            self._entries[hashes[at : at + HASH_BYTES]] for at in range(0, len(hashes), HASH_BYTES)
        ]
        places = self._places
        named = sorted({places.rows[entry] for entry in entries})
        row_in_index = {row: number for number, row in enumerate(named)}
        every_size = {**self._sizes, **sizes}
        return ShardIndex(
            shard,
            blocks,
            tuple(
                PackRow(holder, every_size[holder], origin)
                for holder, origin in (self._packs[row] for row in named)
            ),
            bitmap,
            array("I", (row_in_index[places.rows[entry]] for entry in entries)),
            array("I", (places.numbers[entry] for entry in entries)),
            array("I", (places.offsets[entry] for entry in entries)),
            array("I", (places.lengths[entry] for entry in entries)),
            bytes(places.codecs[entry] for entry in entries),
            hashes,
        )

    def _row(self, holder: PackId, origin: PackId) -> int:
        row = self._row_of.setdefault((holder, origin), len(self._packs))
        if row == len(self._packs):
            self._packs.append((holder, origin))
        return row
