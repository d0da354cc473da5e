"""The index of one shard: which record of which pack holds which block; columnar bytes."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.names import PACK_ID_BYTES, PackId

HASH_BYTES = 16
FIRST_RECORD_AT = 64  # behind a pack's start

_HEAD = struct.Struct("<IIII")
_ROW = struct.Struct(f"<{PACK_ID_BYTES}sQ{PACK_ID_BYTES}s")
_WORD = 1 << 32


@dataclass(frozen=True, slots=True)
class PackRow:
    """A pack that an index names; *origin* is the pack whose key opens the records."""

    holder: PackId
    size_bytes: int
    origin: PackId


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where one record lies, by row of the index's packs."""

    row: int
    number: int
    offset: int
    length: int
    codec: int


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """One shard of a disk: which blocks are used (*bitmap*) and where each of them lies."""

    shard: int
    blocks: int
    packs: tuple[PackRow, ...]
    bitmap: bytes
    rows: array[int]
    numbers: array[int]
    offsets: array[int]
    lengths: array[int]
    codecs: bytes
    hashes: bytes

    @property
    def used_blocks(self) -> int:
        """How many of the shard's blocks are not zero."""
        return len(self.rows)

    def used(self) -> Iterator[int]:
        """Yield the numbers, within the shard, of the blocks that are not zero."""
        return positions(self.bitmap)

    def hash_at(self, entry: int) -> bytes:
        """Return the hash of the *entry*-th used block."""
        return self.hashes[entry * HASH_BYTES : (entry + 1) * HASH_BYTES]

    def place_at(self, entry: int) -> RecordPlace:
        """Return where the *entry*-th used block lies."""
        return RecordPlace(
            self.rows[entry],
            self.numbers[entry],
            self.offsets[entry],
            self.lengths[entry],
            self.codecs[entry],
        )


def positions(bitmap: bytes | bytearray) -> Iterator[int]:
    """Yield the numbers of the bits that are set, the lowest of a byte first."""
    for index, byte in enumerate(bitmap):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield index * 8 + bit


def encode_index(index: ShardIndex) -> bytes:
    """Return the payload of the index's object."""
    numbers, offsets = array("I", index.numbers), array("I", index.offsets)
    for entry, (number, offset) in enumerate(_expected(index)):
        numbers[entry] = (index.numbers[entry] - number) % _WORD
        offsets[entry] = (index.offsets[entry] - offset) % _WORD
    head = _HEAD.pack(index.shard, index.blocks, index.used_blocks, len(index.packs))
    packs = b"".join(
        _ROW.pack(row.holder.to_bytes(), row.size_bytes, row.origin.to_bytes())
        for row in index.packs
    )
    columns = (index.rows, numbers, offsets, index.lengths)
    words = b"".join(_to_bytes(column) for column in columns)
    return b"".join((head, packs, index.bitmap, words, index.codecs, index.hashes))


def decode_index(name: str, payload: bytes) -> ShardIndex:
    """Return the index that *payload*, the content of the object called *name*, describes."""
    if len(payload) < _HEAD.size:
        raise CorruptRepository(f"{name}: {len(payload)} bytes, too few for an index")
    shard, blocks, used, rows = _HEAD.unpack_from(payload)
    bitmap_bytes = (blocks + 7) // 8
    sizes = [rows * _ROW.size, bitmap_bytes, *(4 * used,) * 4, used, HASH_BYTES * used]
    if len(payload) != _HEAD.size + sum(sizes):
        raise CorruptRepository(
            f"{name}: {len(payload)} bytes where {_HEAD.size + sum(sizes)} are described"
        )
    parts: list[bytes] = []
    at = _HEAD.size
    for size in sizes:
        parts.append(payload[at : at + size])
        at += size
    packs, bitmap, in_rows, numbers, offsets, lengths, codecs, hashes = parts
    index = ShardIndex(
        shard,
        blocks,
        tuple(_rows(packs)),
        bitmap,
        _from_bytes(in_rows),
        _from_bytes(numbers),
        _from_bytes(offsets),
        _from_bytes(lengths),
        codecs,
        hashes,
    )
    _check(name, index)
    _add_expected(index)
    return index


def _check(name: str, index: ShardIndex) -> None:
    marked = sum(byte.bit_count() for byte in index.bitmap)
    if marked != index.used_blocks:
        raise CorruptRepository(f"{name}: {marked} blocks marked, {index.used_blocks} listed")
    if index.rows and max(index.rows) >= len(index.packs):
        raise CorruptRepository(f"{name}: row {max(index.rows)} of {len(index.packs)} packs")


def _expected(index: ShardIndex) -> Iterator[tuple[int, int]]:
    """Yield, for each entry, the record number and offset that follow from the entry before."""
    row = -1
    number = end = 0
    for entry, this in enumerate(index.rows):
        yield (number, end) if this == row else (0, FIRST_RECORD_AT)
        row = this
        number = (index.numbers[entry] + 1) % _WORD
        end = (index.offsets[entry] + index.lengths[entry]) % _WORD


def _add_expected(index: ShardIndex) -> None:
    """Turn the stored differences, in place, into record numbers and offsets."""
    for entry, (number, offset) in enumerate(_expected(index)):
        index.numbers[entry] = (index.numbers[entry] + number) % _WORD
        index.offsets[entry] = (index.offsets[entry] + offset) % _WORD


def _rows(packed: bytes) -> Iterator[PackRow]:
    for holder, size, origin in _ROW.iter_unpack(packed):
        yield PackRow(PackId.from_bytes(holder), size, PackId.from_bytes(origin))


def _to_bytes(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = array("I", column)
        column.byteswap()
    return column.tobytes()


def _from_bytes(packed: bytes) -> array[int]:
    column = array("I")
    column.frombytes(packed)
    if sys.byteorder == "big":
        column.byteswap()
    return column
