"""Byte ranges of a disk and their arithmetic: one alone, or millions in two columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress
from operator import lt, sub

#: Rows that are worked on at once: their numbers are objects for that long.
_PIECE = 16 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """The *length* bytes of a disk that begin at *offset*; never empty."""

    offset: int
    length: int

    def __post_init__(self) -> None:
        if self.offset < 0 or self.length <= 0:
            raise ValueError(f"extent at {self.offset} of {self.length} bytes")

    @property
    def end(self) -> int:
        """The offset of the first byte behind."""
        return self.offset + self.length


class Extents:
    """Extents in rising order, 16 bytes each; those with a gap below *join_gap* are one.

    What touches or overlaps is always joined, so that no byte is covered twice.
    """

    def __init__(self, extents: Iterable[Extent] = (), *, join_gap: int = 0) -> None:
        self._join_gap = join_gap
        self.offsets = array("Q")
        self.ends = array("Q")
        rows = list(extents)
        self.extend([each.offset for each in rows], [each.end for each in rows])

    def add(self, extent: Extent) -> None:
        """Append *extent*, which begins at or after the start of the one before."""
        self.extend((extent.offset,), (extent.end,))

    def extend(self, offsets: Sequence[int], ends: Sequence[int]) -> None:
        """Append the extents from *offsets*, which never fall, to *ends*."""
        for start in range(0, len(offsets), _PIECE):
            self._extend(offsets[start : start + _PIECE], ends[start : start + _PIECE])

    def append(self, others: Extents) -> None:
        """Append all of *others*, joined with as large gaps as these."""
        if not others or self.end > others.offsets[0]:
            self.extend(others.offsets, others.ends)
            return
        self.extend(others.offsets[:1], others.ends[:1])
        end = self.ends.pop()
        self.offsets.extend(others.offsets[1:])
        self.ends.extend(others.ends)
        self.ends[-len(others)] = end

    def _extend(self, offsets: Sequence[int], ends: Sequence[int]) -> None:
        if self.offsets:
            if offsets[0] < self.offsets[-1]:
                raise ValueError(f"extent at {offsets[0]} after one at {self.offsets[-1]}")
            offsets = [self.offsets.pop(), *offsets]
            ends = [self.ends.pop(), *ends]
        # A column at a time, in C: a loop in Python costs three times as much.
        if any(map(lt, ends[1:], ends)):
            ends = list(accumulate(ends, max))
        apart = list(map(max(self._join_gap - 1, 0).__lt__, map(sub, offsets[1:], ends)))
        if not all(apart):
            offsets = list(compress(offsets, chain((True,), apart)))
            ends = list(compress(ends, chain(apart, (True,))))
        self.offsets.extend(offsets)
        self.ends.extend(ends)

    @property
    def total_bytes(self) -> int:
        """How many bytes they cover."""
        return sum(self.ends) - sum(self.offsets)

    @property
    def end(self) -> int:
        """The offset behind the last one; 0 where there is none."""
        return self.ends[-1] if self.ends else 0

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[Extent]:
        for offset, end in zip(self.offsets, self.ends):  # noqa: B905 - built in pairs
            yield Extent(offset, end - offset)

    def within(self, offset: int, length: int) -> Iterator[Extent]:
        """Yield what of the *length* bytes from *offset* is covered, in order."""
        end = offset + length
        for at in range(bisect_right(self.ends, offset), bisect_left(self.offsets, end)):
            start, stop = max(self.offsets[at], offset), min(self.ends[at], end)
            yield Extent(start, stop - start)

    def cut(self, offset: int, length: int) -> Extents:
        """Return what of the *length* bytes from *offset* is covered."""
        end = offset + length
        first, last = bisect_right(self.ends, offset), bisect_left(self.offsets, end)
        part = Extents()
        part.offsets, part.ends = self.offsets[first:last], self.ends[first:last]
        if part:
            part.offsets[0] = max(part.offsets[0], offset)
            part.ends[-1] = min(part.ends[-1], end)
        return part

    def gaps(self, disk_bytes: int) -> Extents:
        """Return what of the first *disk_bytes* they do not cover."""
        mine = self.cut(0, disk_bytes)
        starts, ends = array("Q", (0,)) + mine.ends, mine.offsets + array("Q", (disk_bytes,))
        between = bytes(map(lt, starts, ends))
        made = Extents()
        made.offsets = array("Q", compress(starts, between))
        made.ends = array("Q", compress(ends, between))
        return made

    def of_length(self, length: int) -> Extents:
        """Return those that have *length* bytes or more."""
        long_enough = bytes(map(length.__le__, map(sub, self.ends, self.offsets)))
        made = Extents()
        made.offsets = array("Q", compress(self.offsets, long_enough))
        made.ends = array("Q", compress(self.ends, long_enough))
        return made

    def grown(self, block_bytes: int, disk_bytes: int) -> Extents:
        """Return whole blocks of *block_bytes* that they touch, cut at *disk_bytes*."""
        made = Extents()
        for start in range(0, len(self), _PIECE):
            made.extend(
                [each - each % block_bytes for each in self.offsets[start : start + _PIECE]],
                [each + -each % block_bytes for each in self.ends[start : start + _PIECE]],
            )
        return made.cut(0, disk_bytes)


def total_bytes(extents: Iterable[Extent]) -> int:
    """Return how many bytes *extents* cover, counting a byte as often as it is covered."""
    return sum(extent.length for extent in extents)


def merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Yield *extents* in order of offset, with those that touch or overlap joined."""
    current: Extent | None = None
    for extent in sorted(extents):
        if current is None:
            current = extent
        elif extent.offset <= current.end:
            end = max(current.end, extent.end)
            current = Extent(current.offset, end - current.offset)
        else:
            yield current
            current = extent
    if current is not None:
        yield current


def aligned(extents: Iterable[Extent], block_bytes: int, disk_bytes: int) -> Extents:
    """Return *extents* grown to whole blocks of *block_bytes*, cut at *disk_bytes*, and merged."""
    whole = extents if isinstance(extents, Extents) else Extents(merged(extents))
    return whole.grown(block_bytes, disk_bytes)
