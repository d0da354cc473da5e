"""One shard of a disk as a base and its patch give it, and which of the two is written next."""

from __future__ import annotations

import operator
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Generic, TypeVar

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.bitmaps import bitmap_of, flags_of, positions
from vmbackup_core.repository.data.sections import (
    FIRST_RECORD_AT,
    HASH_BYTES,
    Bases,
    BaseSection,
    Entries,
    PatchSection,
    encode_base,
    encode_patch,
)
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId

#: Stands for a block that is zero.
ZERO = 2**32 - 1
#: Of an entry's four bytes, where the highest lies. It is 0xff in ZERO, and in no number that an
#: entry has: no process holds four thousand million of them.
_HIGHEST = 3 if sys.byteorder == "little" else 0
_IS_USED = b"\1" * 0xFF + b"\0"

#: So many blocks are compared at once.
_COMPARED = 256

#: What a row is: a pack's, or one that will be a pack's.
R = TypeVar("R")

#: What tells a pack's row from another: holder and origin.
Places = tuple[PackId, PackId]


@dataclass(frozen=True, slots=True)
class ShardView(Generic[R]):
    """One shard: *at* has, for each of its blocks, the entry with its place, or ZERO.

    Entries name *rows* by their position; several blocks may have one entry, and an entry none.
    """

    shard: int
    rows: Sequence[R]
    at: array[int]
    entries: Entries

    @property
    def blocks(self) -> int:
        """How many blocks the shard has."""
        return len(self.at)

    @property
    def used_blocks(self) -> int:
        """How many of them are not zero."""
        return len(self.at) - self.at.count(ZERO)

    def places(self, first: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the number and the entry of each block from *first* on that is not zero."""
        at = self.at[first:]
        return compress(enumerate(at, first), used_of(at))


def used_of(at: array[int]) -> bytes:
    """Return 1 for each block of *at* that has an entry, 0 for each that is zero.

    Most blocks of many disks are zero: going through them one by one is what would take long.
    """
    return at.tobytes()[_HIGHEST::4].translate(_IS_USED)


def view_of_base(section: BaseSection, rows: Sequence[PackRow]) -> ShardView[PackRow]:
    """Return the shard as its base alone gives it."""
    flags = flags_of(section.used, section.blocks)
    flagged = zip(flags, accumulate(flags), strict=True)
    at = array("I", [used - 1 if flag else ZERO for flag, used in flagged])
    return ShardView(section.shard, rows, at, section.entries)


def patched(
    base: ShardView[PackRow], section: PatchSection, rows: Sequence[PackRow]
) -> ShardView[PackRow]:
    """Return *base* with what a patch over it decides."""
    at = base.at[: section.blocks] + _all_zero(max(0, section.blocks - base.blocks))
    entries = Entries()
    entries.extend(base.entries)
    row_of = {row.places: number for number, row in enumerate(base.rows)}
    every = list(base.rows)
    renamed = array("I", (_row(each, row_of, every) for each in rows))
    first = len(entries)
    entries.extend(section.entries, renamed)
    used = set(positions(section.used))
    for number, block in enumerate(positions(section.decided)):
        at[block] = ZERO
        if number in used:
            at[block] = first
            first += 1
    return ShardView(base.shard, every, at, entries)


def check_places(name: str, view: ShardView[PackRow]) -> None:
    """Raise where a record does not lie within its pack."""
    sizes = [row.size_bytes for row in view.rows]
    for column in (view.entries, view.entries.bases):
        if _lie_within(column, sizes):
            continue
        for row, offset, length in zip(column.rows, column.offsets, column.lengths, strict=True):
            if offset < FIRST_RECORD_AT or offset + length > sizes[row]:
                raise CorruptRepository(
                    f"{name}: a record at {offset} of {length} bytes in {view.rows[row].holder}, "
                    f"which has {sizes[row]}"
                )


def _lie_within(column: Entries | Bases, sizes: Sequence[int]) -> bool:
    ends = map(operator.add, column.offsets, column.lengths)
    within = all(map(operator.le, ends, map(sizes.__getitem__, column.rows)))
    return within and min(column.offsets, default=FIRST_RECORD_AT) >= FIRST_RECORD_AT


@dataclass(frozen=True, slots=True)
class StoredBase:
    """The base that the newest manifest names: opened, its digest, its stored length, and W.

    *patched_bytes* is the sum of the stored lengths of all patches written over it.
    """

    view: ShardView[PackRow]
    sha256: bytes
    stored_bytes: int
    patched_bytes: int


@dataclass(frozen=True, slots=True)
class NewBase(Generic[R]):
    """The shard gets a base of its own."""

    payload: bytes
    rows: Sequence[R]


@dataclass(frozen=True, slots=True)
class NewPatch(Generic[R]):
    """The base stays, with another patch; *patched_bytes* is W, this one included."""

    payload: bytes
    rows: Sequence[R]
    patched_bytes: int


@dataclass(frozen=True, slots=True)
class BaseAlone:
    """The shard is what its base says."""


def choose(
    now: ShardView[R],
    base: StoredBase | None,
    places: Callable[[R], Places | None],
    stored_bytes: Callable[[bytes], int],
) -> NewBase[R] | NewPatch[R] | BaseAlone:
    """Return what is written of a shard, by the rule of a new base.

    *places* returns the packs of a row of *now*, None where they are new; *stored_bytes* is how
    long a payload will be once it is sealed.
    """
    if base is None or base.view.blocks > now.blocks:
        return _new_base(now)
    decided = _differing(now, base.view, places)
    if decided.count(1) == 0:
        return BaseAlone()
    patch, rows = _patch(now, decided, base.sha256)
    payload = encode_patch(patch)
    patched_bytes = base.patched_bytes + stored_bytes(payload)
    if patched_bytes >= base.stored_bytes:
        return _new_base(now)
    return NewPatch(payload, rows, patched_bytes)


def differ(
    now: ShardView[R], before: ShardView[PackRow], places: Callable[[R], Places | None]
) -> bool:
    """Tell whether any block's entry is another than *before*, or the disk ends earlier."""
    return now.blocks < before.blocks or 1 in _differing(now, before, places)


def _new_base(now: ShardView[R]) -> NewBase[R]:
    used = used_of(now.at)
    entries, rows = _gathered(now, list(compress(now.at, used)))
    section = BaseSection(now.shard, now.blocks, bitmap_of(used), entries)
    return NewBase(encode_base(section), rows)


def _patch(now: ShardView[R], decided: bytearray, sha256: bytes) -> tuple[PatchSection, list[R]]:
    ours = array("I", compress(now.at, decided))
    used = used_of(ours)
    entries, rows = _gathered(now, list(compress(ours, used)))
    bitmaps = bitmap_of(bytes(decided)), bitmap_of(used)
    return PatchSection(now.shard, now.blocks, sha256, *bitmaps, entries), rows


def _differing(
    now: ShardView[R], base: ShardView[PackRow], places: Callable[[R], Places | None]
) -> bytearray:
    """Return 1 for each block whose entry differs from the base's in anything."""
    row_of = {row.places: number for number, row in enumerate(base.rows)}
    in_base = [_row_in(row_of, places(row)) for row in now.rows]
    shared = len(base.entries) if _goes_on_from(now, base, in_base) else 0
    same: dict[tuple[int, int], bool] = {}
    before_now, before_base = now.entries.bases_before(), base.entries.bases_before()
    decided = bytearray(now.blocks)
    theirs = base.at[: now.blocks] + _all_zero(max(0, now.blocks - base.blocks))
    blocks = _unequal(now.at, theirs) if shared == len(base.entries) else range(now.blocks)
    for block in blocks:
        entry, other = now.at[block], theirs[block]
        if entry == other == ZERO:
            continue
        if ZERO in (entry, other):
            decided[block] = entry != other
            continue
        pair = (entry, other)
        if pair not in same:
            same[pair] = _same_place(now.entries, base.entries, pair, in_base) and (
                now.entries.codecs[entry] != DELTA
                or _same_base(
                    now.entries, base.entries, (before_now[entry], before_base[other]), in_base
                )
            )
        decided[block] = not same[pair]
    return decided


def _unequal(ours: array[int], theirs: array[int]) -> Iterator[int]:
    """Yield where two columns of one length differ; most of two shards is the same."""
    for start in range(0, len(ours), _COMPARED):
        mine, other = ours[start : start + _COMPARED], theirs[start : start + _COMPARED]
        if mine != other:
            yield from compress(range(start, start + len(mine)), map(operator.ne, mine, other))


def _goes_on_from(now: ShardView[R], base: ShardView[PackRow], in_base: Sequence[int]) -> bool:
    """Tell whether the entries of *now* begin with all of the base's, in the same rows."""
    rows = len(base.rows)
    return list(in_base[:rows]) == list(range(rows)) and now.entries.begin_with(base.entries)


def _row_in(row_of: dict[Places, int], places: Places | None) -> int:
    return -1 if places is None else row_of.get(places, -1)


def _same_place(now: Entries, base: Entries, pair: tuple[int, int], in_base: Sequence[int]) -> bool:
    at, other = pair
    return (
        in_base[now.rows[at]] == base.rows[other]
        and now.numbers[at] == base.numbers[other]
        and now.offsets[at] == base.offsets[other]
        and now.lengths[at] == base.lengths[other]
        and now.codecs[at] == base.codecs[other]
        and now.hash_at(at) == base.hash_at(other)
    )


def _same_base(now: Entries, base: Entries, pair: tuple[int, int], in_base: Sequence[int]) -> bool:
    ours, theirs, (at, other) = now.bases, base.bases, pair
    return (
        in_base[ours.rows[at]] == theirs.rows[other]
        and ours.numbers[at] == theirs.numbers[other]
        and ours.offsets[at] == theirs.offsets[other]
        and ours.lengths[at] == theirs.lengths[other]
        and ours.codecs[at] == theirs.codecs[other]
        and ours.block_bytes[at] == theirs.block_bytes[other]
        and ours.hash_at(at) == theirs.hash_at(other)
    )


def _gathered(now: ShardView[R], chosen: Sequence[int]) -> tuple[Entries, list[R]]:
    """Return the *chosen* entries in order, with rows of their own, and these rows."""
    if not len(now.entries.bases):
        return _gathered_whole(now, chosen)
    entries, rows = Entries(), list[R]()
    row_of: dict[int, int] = {}
    before = now.entries.bases_before()

    def row(theirs: int) -> int:
        if theirs not in row_of:
            row_of[theirs] = len(rows)
            rows.append(now.rows[theirs])
        return row_of[theirs]

    for entry in chosen:
        entries.append(now.entries, entry, row(now.entries.rows[entry]))
        if now.entries.codecs[entry] == DELTA:
            bases, at = now.entries.bases, before[entry]
            entries.bases.append(bases, at, row(bases.rows[at]))
    return entries, rows


def _gathered_whole(now: ShardView[R], chosen: Sequence[int]) -> tuple[Entries, list[R]]:
    """Return the same of a shard without deltas, whole columns at a time."""
    theirs = now.entries

    def of(column: array[int]) -> array[int]:
        return array("I", map(column.__getitem__, chosen))

    row_of = {row: number for number, row in enumerate(dict.fromkeys(of(theirs.rows)))}
    hashes = bytes(theirs.hashes)
    entries = Entries(
        array("I", map(row_of.__getitem__, of(theirs.rows))),
        of(theirs.numbers),
        of(theirs.offsets),
        of(theirs.lengths),
        bytearray(map(theirs.codecs.__getitem__, chosen)),
        bytearray().join([hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in chosen]),
    )
    return entries, [now.rows[row] for row in row_of]


def _row(row: PackRow, row_of: dict[Places, int], every: list[PackRow]) -> int:
    key = row.places
    if key not in row_of:
        row_of[key] = len(every)
        every.append(row)
    return row_of[key]


def _all_zero(blocks: int) -> array[int]:
    return array("I", [ZERO]) * blocks
