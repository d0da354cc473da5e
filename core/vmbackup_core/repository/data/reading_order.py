"""Which requests bring the records that are wanted of some packs: few, and none too large."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from vmbackup_core.repository.data.pack_reader import GAP_BYTES, joined
from vmbackup_core.repository.primitives.identities import PackId

#: What is read at once: half of a pack of 32 MiB, and the record at which it is cut in two. Each
#: thread has one such piece in memory.
READ_BYTES: Final = 17 * 1024 * 1024

#: What is read at once of packs that are read whole, and how many others are between two of them:
#: with some threads at most one such piece is in memory.
PACK_BYTES: Final = 2 * READ_BYTES
_APART: Final = 4

#: How many requests a pack takes at most, where its records lie in 32 MiB.
REQUESTS_OF_A_PACK: Final = 2

_MARK_BITS: Final = 32
_MARK: Final = 2**_MARK_BITS - 1

#: Pieces of a pack that are wanted, as pairs of begin and end, with no small gap between them.
_Held = Sequence[tuple[int, int]]

#: Records wanted of each pack, in order: the offset of each, and a mark that tells whose it is.
Places = Mapping[PackId, "array[int]"]


@dataclass(frozen=True, slots=True)
class Read:
    """One request: a piece of a pack, and the marks of the records in it, in order."""

    pack: PackId
    offset: int
    length: int
    marks: Sequence[int]


def marked(offset: int, mark: int) -> int:
    """Return a record's offset and its mark as one number, by which records are sorted."""
    return offset << _MARK_BITS | mark


def reads_of(
    places: Places, length_of: Callable[[int], int], requests: int, spent: int = 0
) -> Iterator[Read]:
    """Yield what brings all of *places*; *length_of* returns the length of the record of a mark.

    Gaps under `GAP_BYTES` are read over, and larger ones, from the smallest on, until there are no
    more than *requests*. Of these so many are *spent* otherwise: packs that take two are read at
    once instead, as few as make up for it and far from each other.
    """
    held = {pack: _held(keys, length_of) for pack, keys in places.items()}
    gap_bytes = _gap_bytes(held.values(), requests)
    counts = {pack: _requests(pieces, gap_bytes) for pack, pieces in held.items()}
    at_once = _at_once(held, counts, sum(counts.values()) + spent - requests)
    for pack, keys in places.items():
        mine = [(key >> _MARK_BITS, length_of(key & _MARK)) for key in keys]
        most_bytes = PACK_BYTES if pack in at_once else READ_BYTES
        for offset, length, which in joined(mine, most_bytes=most_bytes, gap_bytes=gap_bytes):
            yield Read(pack, offset, length, [keys[at] & _MARK for at in which])


def _held(keys: array[int], length_of: Callable[[int], int]) -> _Held:
    """Return where records lie in a pack, those with small gaps between them together."""
    mine = ((key >> _MARK_BITS, length_of(key & _MARK)) for key in keys)
    pieces = joined(mine, most_bytes=sys.maxsize)
    return [(offset, offset + length) for offset, length, _ in pieces]


def _gap_bytes(held: Collection[_Held], requests: int) -> int:
    """Return which gaps are not read over: those of so many bytes, or more."""
    gaps = {GAP_BYTES}
    for pieces in held:
        gaps.update(after[0] - before[1] + 1 for before, after in pairwise(pieces))
    choices = sorted(gaps)
    enough = bisect_left(
        choices,
        True,  # noqa: FBT003 - what is looked for
        hi=len(choices) - 1,
        key=lambda gap: sum(_requests(pieces, gap) for pieces in held) <= requests,
    )
    return choices[enough]


def _requests(held: _Held, gap_bytes: int) -> int:
    """Return how many requests a pack takes where gaps of so many bytes are not read over."""
    count, first, last = 0, 0, -gap_bytes
    for start, end in held:
        if start - last >= gap_bytes or start - first >= READ_BYTES:
            count, first = count + 1, start
        while end - first > READ_BYTES:
            count, first = count + 1, first + READ_BYTES
        last = end
    return count


def _at_once(
    held: Mapping[PackId, _Held], counts: Mapping[PackId, int], too_many: int
) -> frozenset[PackId]:
    """Return which packs are read at once: of those that would take two, one in so many."""
    if too_many <= 0:
        return frozenset()
    long = [
        pack
        for pack, pieces in held.items()
        if counts[pack] == REQUESTS_OF_A_PACK and pieces[-1][1] - pieces[0][0] <= PACK_BYTES
    ]
    return frozenset(long[:: max(_APART, len(long) // too_many)])
