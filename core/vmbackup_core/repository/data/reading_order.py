"""Which requests bring the records that are wanted of some packs: few, and none too large."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vmbackup_core.repository.data.pack_reader import GAP_BYTES, joined
from vmbackup_core.repository.primitives.identities import PackId

#: What is read at once: half of a pack of 32 MiB, and the record at which it is cut in two. Each
#: thread has one such piece in memory.
READ_BYTES: Final = 17 * 1024 * 1024

#: How many requests a pack takes at most, where its records lie in 32 MiB.
REQUESTS_OF_A_PACK: Final = 2

_MARK_BITS: Final = 32
_MARK: Final = 2**_MARK_BITS - 1

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


def reads_of(places: Places, length_of: Callable[[int], int], requests: int) -> Iterator[Read]:
    """Yield what brings all of *places*; *length_of* returns the length of the record of a mark.

    Gaps under `GAP_BYTES` are read over, and larger ones, from the smallest on, until there are no
    more than *requests*.
    """
    gap_bytes = _gap_bytes(places, length_of, requests)
    for pack, keys in places.items():
        mine = [(key >> _MARK_BITS, length_of(key & _MARK)) for key in keys]
        for offset, length, which in joined(mine, most_bytes=READ_BYTES, gap_bytes=gap_bytes):
            yield Read(pack, offset, length, [keys[at] & _MARK for at in which])


def _gap_bytes(places: Places, length_of: Callable[[int], int], requests: int) -> int:
    """Return which gaps are not read over: those of so many bytes, or more."""
    gaps = array("Q")
    least = 0
    for keys in places.values():
        end = start = keys[0] >> _MARK_BITS
        for key in keys:
            offset = key >> _MARK_BITS
            if offset - end >= GAP_BYTES:
                gaps.append(offset - end)
            end = max(end, offset + length_of(key & _MARK))
        least += -(-(end - start) // READ_BYTES)
    spare = max(0, requests - least)  # each gap that is not read over makes one request more
    if len(gaps) <= spare:
        return GAP_BYTES
    return sorted(gaps, reverse=True)[spare] + 1
