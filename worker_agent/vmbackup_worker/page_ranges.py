"""Which bytes of an export hold something: Azure's page lists, read whole and kept small."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from vmbackup_core.errors import TransientError
from vmbackup_core.extents import Extent

#: What a Get Page Ranges answers at most (maxresults, from service version 2020-10-02 on).
PAGE_LIST_RANGES = 10_000


class ExtentTable:
    """Extents in rising order, 16 bytes each, joined where they touch or overlap."""

    def __init__(self) -> None:
        self._offsets = array("Q")
        self._ends = array("Q")
        self.total_bytes = 0

    def add(self, extent: Extent) -> None:
        """Append *extent*, which begins at or after the start of the one before."""
        if self._offsets and extent.offset < self._offsets[-1]:
            raise ValueError(f"extent at {extent.offset} after one at {self._offsets[-1]}")
        if self._ends and extent.offset <= self._ends[-1]:
            grown = max(0, extent.end - self._ends[-1])
            self._ends[-1] += grown
            self.total_bytes += grown
        else:
            self._offsets.append(extent.offset)
            self._ends.append(extent.end)
            self.total_bytes += extent.length

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Extent]:
        for offset, end in zip(self._offsets, self._ends):  # noqa: B905 - built in pairs
            yield Extent(offset, end - offset)

    def within(self, offset: int, length: int) -> Iterator[Extent]:
        """Yield what of the *length* bytes from *offset* is covered, in order."""
        end = offset + length
        at = self._first_ending_after(offset)
        while at < len(self._offsets) and self._offsets[at] < end:
            start, stop = max(self._offsets[at], offset), min(self._ends[at], end)
            yield Extent(start, stop - start)
            at += 1

    def _first_ending_after(self, offset: int) -> int:
        low, high = 0, len(self._ends)
        while low < high:
            middle = (low + high) // 2
            if self._ends[middle] > offset:
                high = middle
            else:
                low = middle + 1
        return low


@dataclass(frozen=True, slots=True)
class PageList:
    """One answer of Get Page Ranges."""

    ranges: list[Extent]
    cleared: list[Extent]
    next_marker: str | None

    @property
    def may_be_cut(self) -> bool:
        """True where the service stopped at its limit without saying how to go on."""
        return not self.next_marker and len(self.ranges) + len(self.cleared) >= PAGE_LIST_RANGES


def parse_page_list(data: bytes, window: Extent) -> PageList:
    """Return what *data* lists, cut to *window*; raise TransientError where it is no page list."""
    try:
        root = ET.fromstring(data)  # noqa: S314 - Azure's answer over TLS; expat bounds expansion
        if root.tag != "PageList":  # else any other document would pass for an empty disk
            raise ValueError(f"a document of {root.tag[:64]!r}")
        ranges = list(_clipped(root.iter("PageRange"), window))
        cleared = list(_clipped(root.iter("ClearRange"), window))
        marker = root.findtext("NextMarker")
    except (ET.ParseError, ValueError, TypeError) as error:
        raise TransientError(f"page list of {len(data)} bytes that cannot be read") from error
    return PageList(ranges, cleared, marker or None)


def _clipped(elements: Iterator[ET.Element], window: Extent) -> Iterator[Extent]:
    for element in elements:
        start = max(int(element.findtext("Start", "")), window.offset)
        end = min(int(element.findtext("End", "")) + 1, window.end)  # End is inclusive
        if start < end:
            yield Extent(start, end - start)
