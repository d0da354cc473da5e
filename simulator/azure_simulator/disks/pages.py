"""Page lists: which pages of an exported disk hold data or differ, a page of answers at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from azure_simulator.disks.sparse import Extent

#: Azure's limit on ranges in one answer.
MOST_RANGES = 10_000


@dataclass(frozen=True, slots=True)
class PageRange:
    """A run of pages, *end* included, that holds data or has been cleared."""

    start: int
    end: int
    cleared: bool = False


def page_ranges(data: Sequence[Extent], cleared: Sequence[Extent] = ()) -> list[PageRange]:
    """Return both kinds in order of their start."""
    ranges = [PageRange(offset, offset + length - 1) for offset, length in data]
    ranges += [PageRange(offset, offset + length - 1, cleared=True) for offset, length in cleared]
    return sorted(ranges, key=lambda page: page.start)


def within(ranges: Sequence[PageRange], first: int, last: int) -> list[PageRange]:
    """Return what of *ranges* lies between *first* and *last*, both included."""
    return [
        PageRange(max(page.start, first), min(page.end, last), page.cleared)
        for page in ranges
        if page.start <= last and page.end >= first
    ]


def one_answer(
    ranges: Sequence[PageRange], most: int, marker: int
) -> tuple[Sequence[PageRange], int | None]:
    """Return the ranges from offset *marker* on, at most *most*, and the offset to go on from."""
    left = [page for page in ranges if page.start >= marker]
    if len(left) <= most:
        return left, None
    return left[:most], left[most].start


def marker_of(offset: int | None) -> str:
    """Return the opaque marker that stands for *offset*; empty for the end."""
    return "" if offset is None else base64.urlsafe_b64encode(f"2!{offset}".encode()).decode()


def offset_of(marker: str) -> int:
    """Return the offset that `marker_of` put into *marker*; raise ValueError for any other text."""
    if not marker:
        return 0
    try:
        version, _, offset = base64.urlsafe_b64decode(marker.encode()).decode().partition("!")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"no marker: {marker}") from error
    if version != "2" or not offset.isdecimal():
        raise ValueError(f"no marker: {marker}")
    return int(offset)


def page_list(ranges: Sequence[PageRange], next_offset: int | None, *, paged: bool) -> bytes:
    """Return the XML body; only versions that know pages have the marker's element."""
    body = "".join(
        f"<{name}><Start>{page.start}</Start><End>{page.end}</End></{name}>"
        for page in ranges
        for name in ("ClearRange" if page.cleared else "PageRange",)
    )
    marker = f"<NextMarker>{marker_of(next_offset)}</NextMarker>" if next_offset is not None else ""
    end = (marker or "<NextMarker />") if paged else ""
    return f'<?xml version="1.0" encoding="utf-8"?><PageList>{body}{end}</PageList>'.encode()
