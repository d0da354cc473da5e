"""What the source shows of each disk: its bytes and its page lists, by the name in the URL.

``NAME.img`` lies in a folder; beside it ``NAME.json`` may say what has changed since another state,
or that the file's bytes are spread over a disk that is far larger, or that the file is empty and
the disk is made as it is read: what no file system would hold.
"""

from __future__ import annotations

import mmap
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from azure_simulator.disks import sparse
from azure_simulator.disks.footer import FOOTER_BYTES, vhd_footer
from azure_simulator.disks.pages import MOST_RANGES, PageRange, page_list
from azure_simulator.disks.sparse import Extent
from tools.bench.engine.numbered import Numbered

_ZEROS = memoryview(bytes(4 * 1024 * 1024))


@dataclass(frozen=True, slots=True)
class Pages:
    """Ranges in order, disjoint, so that a part of a long list is found quickly."""

    starts: Sequence[int]
    ends: Sequence[int]

    @staticmethod
    def of(extents: Sequence[Extent]) -> Pages:
        """Return the list of *extents*."""
        return Pages([at for at, _ in extents], [at + length for at, length in extents])

    def answer(self, first: int, last: int, most: int, marker: int) -> bytes:
        """Return what of the bytes *first* to *last* is listed, from offset *marker* on."""
        low = max(bisect_right(self.ends, first), bisect_left(self.starts, marker))
        high = bisect_right(self.starts, last)
        shown = min(high, low + min(most, MOST_RANGES))
        ranges = [
            PageRange(max(self.starts[each], first), min(self.ends[each] - 1, last))
            for each in range(low, shown)
        ]
        following = self.starts[shown] if shown < high else None
        return page_list(ranges, following, paged=True)


class Told(msgspec.Struct):
    """What is said of a state beside its file.

    *changed* has the extents by the name of the state before; *spread* the size of the disk, the
    distance from one extent's beginning to the next one's, and the length of each; *numbered* what
    a disk is made of that has no file.
    """

    changed: dict[str, list[Extent]] = {}
    spread: tuple[int, int, int] | None = None
    numbered: Numbered | None = None


@dataclass(frozen=True)
class Blob:
    """One state of a disk."""

    path: Path
    _lists: dict[str, Pages] = field(default_factory=dict)

    @cached_property
    def told(self) -> Told:
        """What is said of it beside the file."""
        path = self.path.with_suffix(".json")
        return msgspec.json.decode(path.read_bytes(), type=Told) if path.exists() else Told()

    @cached_property
    def disk_bytes(self) -> int:
        """The disk's length."""
        if self.told.numbered is not None:
            return self.told.numbered.disk_bytes
        return self.path.stat().st_size if self.told.spread is None else self.told.spread[0]

    @property
    def size_bytes(self) -> int:
        """The export's length: the disk and its footer."""
        return self.disk_bytes + FOOTER_BYTES

    @cached_property
    def content(self) -> memoryview:
        """The file's bytes, as it has them at that moment."""
        with self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))

    @cached_property
    def footer(self) -> memoryview:
        """What every fixed VHD ends with."""
        return memoryview(vhd_footer(self.disk_bytes, uuid.UUID(int=1), 0))

    def pieces(self, first: int, last: int) -> Sequence[memoryview]:
        """Return the bytes from *first* to *last*, both included, without copying them."""
        disk = self._disk(first, min(last + 1, self.disk_bytes))
        start, end = max(0, first - self.disk_bytes), max(0, last + 1 - self.disk_bytes)
        return [piece for piece in (*disk, self.footer[start:end]) if len(piece)]

    def _disk(self, at: int, end: int) -> Iterator[memoryview]:
        if self.told.numbered is not None:
            yield from self.told.numbered.pieces(at, end)
        elif self.told.spread is not None:
            yield from self._spread(self.told.spread, at, end)
        else:
            yield self.content[at:end]

    def _spread(self, spread: tuple[int, int, int], at: int, end: int) -> Iterator[memoryview]:
        _, step, length = spread
        while at < end:
            number, into = divmod(at, step)
            if into < length:
                stop = min(length, into + end - at)
                yield self.content[number * length + into : number * length + stop]
            else:
                stop = min(step, into + end - at, into + len(_ZEROS))
                yield _ZEROS[: stop - into]
            at += stop - into

    def pages(self, previous: str | None) -> Pages:
        """Return what is allocated, or what differs from the state called *previous*."""
        wanted = previous or ""
        if wanted not in self._lists:
            extents = self.told.changed[wanted] if wanted else self._allocated()
            self._lists[wanted] = Pages.of(extents)
        return self._lists[wanted]

    def _allocated(self) -> Sequence[Extent]:
        if self.told.numbered is not None:
            return [(0, self.size_bytes)]
        if self.told.spread is None:
            footer = (self.disk_bytes, FOOTER_BYTES)
            return sparse.joined([*sparse.data_extents(self.path), footer])
        _, step, length = self.told.spread
        count = self.path.stat().st_size // length
        return [(each * step, length) for each in range(count)]
