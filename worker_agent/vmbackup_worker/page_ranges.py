"""One answer of Get Page Ranges: which bytes of a window hold something, or differ, in columns."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import le

from vmbackup_core.errors import TransientError
from vmbackup_core.extents import Extent, Extents

#: Extents with a smaller gap are read as one. The gap's bytes come along: at the 60 to 150 MB/s
#: that an export gives they take 2 to 4 ms, less than another request. A block of the repository
#: is as long, so that it is never asked for in two parts, and no block is read that holds nothing.
JOIN_GAP_BYTES = 256 * 1024

#: What a Get Page Ranges answers at most (maxresults, from service version 2020-10-02 on).
PAGE_LIST_RANGES = 10_000

#: A list of that many ranges has below 1 MB.
LONGEST_LIST_BYTES = 8 * 1024 * 1024

_BEGIN, _BETWEEN, _END = b"<PageRange><Start>", b"</Start><End>", b"</End></PageRange>"
_DIGITS = b"0123456789"
_FIRST, _LAST = b"<PageList>", b"Range>"
#: Marks of one letter for what lies around a range's numbers, and what a list is in them.
_SHORT = {
    b"<PageRange><Start>": b"x",
    b"</End></PageRange>": b"X",
    b"<ClearRange><Start>": b"y",
    b"</End></ClearRange>": b"Y",
}
_RANGES = re.compile(rb"(?:x\d+,\d+X|y\d+,\d+Y)+")
_COMMAS = bytes.maketrans(b"XY", b",,")
_CLEARED_IS_1 = bytes.maketrans(b"xy", b"\0\1")
_CLEARED = "ClearRange"
_KINDS = ("PageRange", _CLEARED)
_HEAD = re.compile(rb"(\xef\xbb\xbf)?(<\?xml [^>]*\?>)?\s*<PageList>")
_TAIL = re.compile(rb"(<NextMarker ?/>|<NextMarker>([\w+/=!.-]*)</NextMarker>)?</PageList>\s*")


@dataclass(frozen=True, slots=True)
class _Read:
    """The first and the last byte of each range in turn; 1 for each that was cleared, or nothing.

    *cleared* is empty where none was.
    """

    bounds: list[int]
    cleared: Sequence[int]
    marker: str | None


class UnreadableList(TransientError):
    """What came is no page list, or one that contradicts itself; the message says how."""


@dataclass(frozen=True, slots=True)
class PageList:
    """One answer, which names *ranges* ranges: *extents* of a window, with *listed_bytes* in all.

    *reach* is up to where it lists the window. Small gaps between its extents are joined. What of
    them is said to be zero by now is in *cleared*, too.
    """

    extents: Extents
    listed_bytes: int
    ranges: int
    reach: int
    next_marker: str | None
    cleared: Extents = field(default_factory=Extents)


def parse_page_list(data: bytes, window: Extent, export_bytes: int) -> PageList:
    """Return what *data* lists, cut to *window*; raise UnreadableList where that can't be told.

    Ranges rise, and none lies behind *export_bytes*: a list in which they do not may lack others.
    A list that ends just at the service's limit and names no continuation may be cut short.
    """
    read = _quickly_read(data) or _quickly_read_both(data) or _read(data)
    bounds, marker = read.bounds, read.marker
    if any(map(le, bounds[1:], bounds)):
        raise UnreadableList("a page list whose ranges are out of order or overlap")
    if bounds and bounds[-1] >= export_bytes:
        raise UnreadableList(f"a page list up to byte {bounds[-1]:,} of {export_bytes:,}")
    starts, lasts = bounds[0::2], bounds[1::2]
    reach = window.end
    if marker is not None or len(starts) >= PAGE_LIST_RANGES:
        reach = min(max(lasts[-1] + 1 if lasts else 0, window.offset), window.end)
    first, stop = bisect_left(lasts, window.offset), bisect_left(starts, window.end)
    offsets, ends = starts[first:stop], [last + 1 for last in lasts[first:stop]]
    if offsets:
        offsets[0], ends[-1] = max(offsets[0], window.offset), min(ends[-1], window.end)
    extents, cleared = Extents(join_gap=JOIN_GAP_BYTES), Extents()
    extents.extend(offsets, ends)
    flags = read.cleared[first:stop]
    cleared.extend(list(compress(offsets, flags)), list(compress(ends, flags)))
    listed_bytes = sum(ends) - sum(offsets)
    return PageList(extents, listed_bytes, len(starts), reach, marker, cleared)


def _quickly_read(data: bytes) -> _Read | None:
    """Return what a list of page ranges alone says, written as Azure does; else None.

    A list of a million ranges is 75 MB of XML: as a tree it takes four times the processor time.
    """
    begin, end = data.find(_BEGIN), data.rfind(_END)
    head, tail = _HEAD.fullmatch(data[:begin]), _TAIL.fullmatch(data[end + len(_END) :])
    if begin < 0 or end < begin or head is None or tail is None:
        return None
    text = data[begin + len(_BEGIN) : end].replace(_END + _BEGIN, b";").replace(_BETWEEN, b",")
    marks = text.translate(None, _DIGITS)
    if marks != b"," + b";," * (len(marks) // 2):
        return None
    try:
        bounds: list[int] = json.loads(b"[" + text.replace(b";", b",") + b"]")
    except ValueError:  # an empty number, or one with zeros before it
        return None
    return _Read(bounds, (), (tail[2] or b"").decode() or None)


def _quickly_read_both(data: bytes) -> _Read | None:
    """Return what a list of both kinds says, written as Azure does; else None."""
    begin, end = data.find(_FIRST) + len(_FIRST), data.rfind(_LAST) + len(_LAST)
    head, tail = _HEAD.fullmatch(data[:begin]), _TAIL.fullmatch(data[max(begin, end) :])
    if end <= begin or head is None or tail is None:
        return None
    text = data[begin:end].replace(_BETWEEN, b",")
    strange = any(short in text for short in _SHORT.values())
    for tag, short in _SHORT.items():
        text = text.replace(tag, short)
    if strange or not _RANGES.fullmatch(text):
        return None
    bounds = text.translate(_COMMAS, b"xy").rstrip(b",")
    kinds = text.translate(_CLEARED_IS_1, b"XY,0123456789")
    try:
        return _Read(json.loads(b"[" + bounds + b"]"), kinds, (tail[2] or b"").decode() or None)
    except ValueError:  # a number with zeros before it
        return None


def _read(data: bytes) -> _Read:
    """Return what *data* says, whatever kinds of ranges it has and however it is written."""
    try:
        root = ET.fromstring(data)  # noqa: S314 - Azure's answer over TLS; expat bounds expansion
        if root.tag != "PageList":  # else any other document would pass for an empty disk
            raise ValueError(f"a document of {root.tag[:64]!r}")
        ranges = [each for each in root if each.tag in _KINDS]
        bounds = [bound for each in ranges for bound in _bounds(each)]
        marker = root.findtext("NextMarker")
    except (ET.ParseError, ValueError) as error:
        raise UnreadableList(f"a page list of {len(data)} bytes that cannot be read") from error
    return _Read(bounds, bytes(each.tag == _CLEARED for each in ranges), marker or None)


def _bounds(element: ET.Element) -> Iterator[int]:
    """Yield the bounds of a range that holds data, or of a cleared one."""
    for name in ("Start", "End"):
        text = element.findtext(name, "").strip()
        if not text.isdecimal():
            raise ValueError(f"a range with {name} {text[:64]!r}")
        yield int(text)
