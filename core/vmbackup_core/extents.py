"""Byte ranges of a disk and their arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


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


def aligned(extents: Iterable[Extent], block_bytes: int, disk_bytes: int) -> Iterator[Extent]:
    """Yield *extents* grown to whole blocks of *block_bytes*, cut at *disk_bytes*, and merged."""

    def grown() -> Iterator[Extent]:
        for extent in extents:
            start = extent.offset // block_bytes * block_bytes
            end = min(-(-extent.end // block_bytes) * block_bytes, disk_bytes)
            if start < end:
                yield Extent(start, end - start)

    return merged(grown())
