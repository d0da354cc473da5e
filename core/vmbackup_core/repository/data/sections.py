"""The index of one shard as it is stored: a base, or a patch over one."""

from __future__ import annotations

import operator
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, groupby, repeat

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.bitmaps import bitmap_bytes, bits_set, checked_bitmap
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.frames import DELTA, PLAIN, ZSTD
from vmbackup_core.repository.primitives.numbers import Reader, column_bytes

HASH_BYTES = 16
SHA256_BYTES = 32

#: Behind a pack's start.
FIRST_RECORD_AT = 64

MOST_BLOCKS = 65_536

_WORD = 1 << 32

#: Below so many entries of one row a loop is faster than columns.
_FEW = 8

_HASH = struct.Struct(f"{HASH_BYTES}s")
_TAG_BYTES = 16


def _words() -> array[int]:
    return array("I")


@dataclass(frozen=True, slots=True)
class Bases:
    """The base records of deltas; columns, one place for each entry of codec 2 in order."""

    rows: array[int] = field(default_factory=_words)
    numbers: array[int] = field(default_factory=_words)
    offsets: array[int] = field(default_factory=_words)
    lengths: array[int] = field(default_factory=_words)
    codecs: bytearray = field(default_factory=bytearray)
    block_bytes: array[int] = field(default_factory=_words)
    hashes: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, other: Bases, at: int, row: int) -> None:
        """Take over what *other* has *at* a place, under another row."""
        self.rows.append(row)
        self.numbers.append(other.numbers[at])
        self.offsets.append(other.offsets[at])
        self.lengths.append(other.lengths[at])
        self.codecs.append(other.codecs[at])
        self.block_bytes.append(other.block_bytes[at])
        self.hashes.extend(other.hash_at(at))

    def hash_at(self, at: int) -> bytes:
        """Return the block hash of a base."""
        return bytes(self.hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES])


@dataclass(frozen=True, slots=True)
class Entries:
    """Where blocks that are not zero lie; columns, one place for each of them in order."""

    rows: array[int] = field(default_factory=_words)
    numbers: array[int] = field(default_factory=_words)
    offsets: array[int] = field(default_factory=_words)
    lengths: array[int] = field(default_factory=_words)
    codecs: bytearray = field(default_factory=bytearray)
    hashes: bytearray = field(default_factory=bytearray)
    bases: Bases = field(default_factory=Bases)

    def __len__(self) -> int:
        return len(self.rows)

    def hash_at(self, entry: int) -> bytes:
        """Return the block hash of an entry."""
        return bytes(self.hashes[entry * HASH_BYTES : (entry + 1) * HASH_BYTES])

    def every_hash(self) -> Iterator[bytes]:
        """Yield the block hash of each entry."""
        return chain.from_iterable(_HASH.iter_unpack(self.hashes))

    def deltas(self) -> Iterator[int]:
        """Yield the entries of codec 2."""
        entry = self.codecs.find(DELTA)
        while entry >= 0:
            yield entry
            entry = self.codecs.find(DELTA, entry + 1)

    def bases_before(self) -> array[int]:
        """Return, for each entry, how many entries of codec 2 are before it."""
        if not len(self.bases):
            return array("I", bytes(4 * len(self)))
        before, count = _words(), 0
        for codec in self.codecs:
            before.append(count)
            count += codec == DELTA
        return before

    def append(self, other: Entries, at: int, row: int) -> None:
        """Take over what *other* has *at* a place, under another row; not its base."""
        self.rows.append(row)
        self.numbers.append(other.numbers[at])
        self.offsets.append(other.offsets[at])
        self.lengths.append(other.lengths[at])
        self.codecs.append(other.codecs[at])
        self.hashes.extend(other.hash_at(at))

    def begin_with(self, other: Entries) -> bool:
        """Tell whether the first of these are *other*'s, bases included."""
        return all(
            ours[: len(theirs)] == theirs
            for column, of in ((self, other), (self.bases, other.bases))
            for ours, theirs in (
                (column.rows, of.rows),
                (column.numbers, of.numbers),
                (column.offsets, of.offsets),
                (column.lengths, of.lengths),
            )
        ) and (
            self.codecs.startswith(other.codecs)
            and self.hashes.startswith(other.hashes)
            and self.bases.codecs.startswith(other.bases.codecs)
            and self.bases.hashes.startswith(other.bases.hashes)
            and self.bases.block_bytes[: len(other.bases)] == other.bases.block_bytes
        )

    def extend(self, more: Entries, renamed: Sequence[int] | None = None) -> None:
        """Put all of *more* behind these, with bases; *renamed* has its rows' numbers here."""
        for column, theirs in ((self, more), (self.bases, more.bases)):
            rows = theirs.rows if renamed is None else (renamed[row] for row in theirs.rows)
            column.rows.extend(rows)
            column.numbers.extend(theirs.numbers)
            column.offsets.extend(theirs.offsets)
            column.lengths.extend(theirs.lengths)
            column.codecs.extend(theirs.codecs)
            column.hashes.extend(theirs.hashes)
        self.bases.block_bytes.extend(more.bases.block_bytes)


@dataclass(frozen=True, slots=True)
class BaseSection:
    """All blocks of a shard that are not zero."""

    shard: int
    blocks: int
    used: bytes
    entries: Entries


@dataclass(frozen=True, slots=True)
class PatchSection:
    """What has changed in a shard since its base, whose stored bytes have *base_sha256*.

    *decided* has a bit for each block of the shard, *used* one for each bit set in *decided*.
    """

    shard: int
    blocks: int
    base_sha256: bytes
    decided: bytes
    used: bytes
    entries: Entries


@dataclass(frozen=True, slots=True)
class Limits:
    """What a section's numbers may be at most: its chain's, its disk's and its table's."""

    block_bytes: int
    shard_bytes: int
    disk_bytes: int
    rows: int

    def blocks_of(self, shard: int) -> int:
        """Return how many blocks the disk has in *shard*; 0 where the shard lies behind it."""
        left = self.disk_bytes - shard * self.shard_bytes
        return max(0, -(-min(left, self.shard_bytes) // self.block_bytes))


def encode_base(section: BaseSection) -> bytes:
    """Return the payload of a base."""
    entries = section.entries
    head = struct.pack("<IIII", section.shard, section.blocks, len(entries), len(entries.bases))
    return b"".join((head, section.used, *_columns(entries)))


def encode_patch(section: PatchSection) -> bytes:
    """Return the payload of a patch."""
    entries, decided = section.entries, bits_set(section.decided)
    head = struct.pack(
        "<IIIII", section.shard, section.blocks, decided, len(entries), len(entries.bases)
    )
    bitmaps = section.base_sha256 + section.decided + section.used
    return b"".join((head, bitmaps, *_columns(entries)))


def decode_base(name: str, content: bytes, limits: Limits) -> BaseSection:
    """Return the base that *content* describes.

    It may have been written when the disk was shorter, and may then have fewer blocks.
    """
    payload = Reader(name, content)
    shard, blocks, used, deltas = (payload.u32() for _ in range(4))
    if not 0 < blocks <= min(limits.blocks_of(shard), MOST_BLOCKS):
        raise CorruptRepository(f"{name}: {blocks} blocks in shard {shard} of the disk")
    payload.expect(bitmap_bytes(blocks) + _columns_bytes(used, deltas))
    bitmap = payload.bytes(bitmap_bytes(blocks))
    checked_bitmap(name, bitmap, blocks, used)
    return BaseSection(shard, blocks, bitmap, _entries(name, payload, used, deltas, limits))


def decode_patch(name: str, content: bytes, limits: Limits) -> PatchSection:
    """Return the patch that *content* describes."""
    payload = Reader(name, content)
    shard, blocks, decided, used, deltas = (payload.u32() for _ in range(5))
    if not 0 < blocks <= min(limits.blocks_of(shard), MOST_BLOCKS) or decided > blocks:
        raise CorruptRepository(
            f"{name}: {blocks} blocks, {decided} of them decided, in shard {shard} of the disk"
        )
    bitmaps = SHA256_BYTES + bitmap_bytes(blocks) + bitmap_bytes(decided)
    payload.expect(bitmaps + _columns_bytes(used, deltas))
    base_sha256, which = payload.bytes(SHA256_BYTES), payload.bytes(bitmap_bytes(blocks))
    checked_bitmap(name, which, blocks, decided)
    bitmap = payload.bytes(bitmap_bytes(decided))
    checked_bitmap(name, bitmap, decided, used)
    entries = _entries(name, payload, used, deltas, limits)
    return PatchSection(shard, blocks, base_sha256, which, bitmap, entries)


def _columns(entries: Entries) -> Iterator[bytes]:
    """Yield the columns as they are stored."""
    numbers, offsets = _differences(entries)
    yield from (column_bytes(each) for each in (entries.rows, numbers, offsets, entries.lengths))
    yield bytes(entries.codecs)
    yield bytes(entries.hashes)
    bases = entries.bases
    for column in (bases.rows, bases.numbers, bases.offsets, bases.lengths):
        yield column_bytes(column)
    yield bytes(bases.codecs)
    yield column_bytes(bases.block_bytes)
    yield bytes(bases.hashes)


def _differences(entries: Entries) -> tuple[array[int], array[int]]:
    """Return the numbers and offsets of *entries* as they are stored, less the expected ones.

    Whole columns at a time: one loop over a shard's blocks takes as long as all else of it.
    """
    follows = bytes(map(operator.eq, entries.rows, chain((-1,), entries.rows)))
    number = chain((0,), map(operator.add, entries.numbers, repeat(1)))
    end = chain((0,), map(operator.add, entries.offsets, entries.lengths))
    behind = map(operator.mul, follows, map(operator.sub, end, repeat(FIRST_RECORD_AT)))
    offset = map(operator.add, behind, repeat(FIRST_RECORD_AT))
    return (
        _words_of(map(operator.sub, entries.numbers, map(operator.mul, follows, number))),
        _words_of(map(operator.sub, entries.offsets, offset)),
    )


def _add_expected(entries: Entries) -> None:
    """Make the numbers and offsets of *entries*, which are as they are stored, what they mean."""
    start = 0
    for _, following in groupby(entries.rows):
        end = start + len(tuple(following))
        if end - start < _FEW:
            _add_expected_to_few(entries, start, end)
        else:
            before = chain((FIRST_RECORD_AT,), entries.lengths[start : end - 1])
            numbers = map(operator.add, entries.numbers[start:end], chain((0,), repeat(1)))
            offsets = map(operator.add, entries.offsets[start:end], before)
            entries.numbers[start:end] = _words_of(accumulate(numbers))
            entries.offsets[start:end] = _words_of(accumulate(offsets))
        start = end


def _add_expected_to_few(entries: Entries, start: int, end: int) -> None:
    number, offset = 0, FIRST_RECORD_AT
    for at in range(start, end):
        entries.numbers[at] = (entries.numbers[at] + number) % _WORD
        entries.offsets[at] = (entries.offsets[at] + offset) % _WORD
        number, offset = entries.numbers[at] + 1, entries.offsets[at] + entries.lengths[at]


def _words_of(numbers: Iterable[int]) -> array[int]:
    return array("I", map(operator.and_, numbers, repeat(_WORD - 1)))


def _columns_bytes(used: int, deltas: int) -> int:
    return (17 + HASH_BYTES) * used + (21 + HASH_BYTES) * deltas


def _entries(name: str, payload: Reader, used: int, deltas: int, limits: Limits) -> Entries:
    entries = Entries(
        payload.column("I", used),
        payload.column("I", used),
        payload.column("I", used),
        payload.column("I", used),
        bytearray(payload.bytes(used)),
        bytearray(payload.bytes(HASH_BYTES * used)),
        Bases(
            payload.column("I", deltas),
            payload.column("I", deltas),
            payload.column("I", deltas),
            payload.column("I", deltas),
            bytearray(payload.bytes(deltas)),
            payload.column("I", deltas),
            bytearray(payload.bytes(HASH_BYTES * deltas)),
        ),
    )
    payload.end()
    _add_expected(entries)
    _check_codecs(name, entries)
    _check_places(name, entries, limits)
    return entries


def _check_codecs(name: str, entries: Entries) -> None:
    bases = entries.bases
    if (codec := max(entries.codecs + bases.codecs, default=PLAIN)) > DELTA:
        raise NewerFormat(name, f"codec {codec}")
    if entries.codecs.count(DELTA) != len(bases):
        raise CorruptRepository(
            f"{name}: {entries.codecs.count(DELTA)} deltas, {len(bases)} base records"
        )
    if max(bases.codecs, default=PLAIN) > ZSTD:
        raise CorruptRepository(f"{name}: a base record of codec {max(bases.codecs)}")


def _check_places(name: str, entries: Entries, limits: Limits) -> None:
    """Raise where a place lies in no row, or a record is longer than a block can be."""
    bases, most = entries.bases, limits.block_bytes + _TAG_BYTES
    for rows in (entries.rows, bases.rows):
        if rows and max(rows) >= limits.rows:
            raise CorruptRepository(f"{name}: row {max(rows)} of {limits.rows} packs")
    for lengths in (entries.lengths, bases.lengths):
        if lengths and not _TAG_BYTES < min(lengths) <= max(lengths) <= most:
            raise CorruptRepository(f"{name}: a record of {max(lengths)} bytes, of at most {most}")
    if bases.block_bytes and max(bases.block_bytes) > limits.block_bytes:
        raise CorruptRepository(f"{name}: a base block of {max(bases.block_bytes)} bytes")
