"""The blocks of a window: read pack by pack, compared with their hashes, given to who asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.repository.data.block_reader import BaseRecord, BlockReader, Place, Wanted
from vmbackup_core.repository.data.reading_order import Read
from vmbackup_core.repository.data.restore_windows import Window, windows_of_some
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.shared_pieces import SharedPieces
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.stores.port import ObjectUnreadable

Lost = CorruptRepository | NotUnderstood | ObjectUnreadable
#: What one record can be like while all else comes back.
LOST: Final[tuple[type[Lost], ...]] = (CorruptRepository, NotUnderstood)

#: Is given where a block is on the disk, and the block; by several threads, in no order.
OnBlock = Callable[[Extent, bytes], None]

#: Is told where on the disk a block is lost, what was wanted, and why; by several threads.
OnLost = Callable[[Extent, Wanted, Lost], None]


def _take_nothing(_extent: Extent, _block: bytes) -> None:
    return


@dataclass(frozen=True, slots=True)
class WindowReader:
    """Reads windows of one disk; what is no *lost* ends it all."""

    reader: BlockReader
    said: ManifestSaid
    threads: int
    lost: tuple[type[Lost], ...] = LOST

    def read(self, window: Window, on_block: OnBlock, on_lost: OnLost, spent: int = 0) -> None:
        """Give all blocks of *window* to *on_block*, those of deltas once their bases are read.

        So many requests were *spent* on finding out where they lie.
        """
        _Reading(self, window, on_block, on_lost).run(spent)

    def prove(self, view: ShardView[PackRow], blocks: Iterable[int], on_lost: OnLost) -> None:
        """Read some blocks of a shard, and tell of those that are lost."""
        places = ((block, view.at[block]) for block in blocks)
        for window in windows_of_some([(view, places)]):
            self.read(window, _take_nothing, on_lost)

    def extent(self, window: Window, mark: int) -> Extent:
        """Return where a block of *window* is on the disk."""
        view, block = window.block_of(mark)
        return self.said.block_extent(view.shard, block)


class _Reading:
    """One window on its way."""

    def __init__(
        self, by: WindowReader, window: Window, on_block: OnBlock, on_lost: OnLost
    ) -> None:
        self._by = by
        self._window = window
        self._on_block = on_block
        self._on_lost = on_lost
        self._deltas = _Deltas(by.reader, window.delta_bytes)

    def run(self, spent: int) -> None:
        first, then = self._window.reads(spent)
        SharedPieces(self._keep_deltas, self._give).work_through(first, self._by.threads)
        SharedPieces(self._bring, self._give).work_through(then, self._by.threads)

    def _bring(self, read: Read) -> tuple[_Brought, Sequence[int]]:
        return self._brought(read), read.marks

    def _keep_deltas(self, read: Read) -> tuple[_Brought, Sequence[int]]:
        """Keep what was brought of deltas, which wait for their bases; leave the rest."""
        brought, window = self._brought(read), self._window
        own = [mark for mark in read.marks if not window.is_delta(mark)]
        for mark in set(read.marks).difference(own) if brought.is_readable else ():
            wanted = window.wanted(mark, self._by.extent(window, mark).length)
            self._deltas.keep(mark, brought.part(wanted.place))
        return brought, own

    def _give(self, brought: _Brought, marks: Sequence[int]) -> None:
        """Give the blocks of records that were *brought*, or whose bases were."""
        known: tuple[Wanted, bytes] | None = None
        for mark in marks:
            extent = self._by.extent(self._window, mark)
            wanted = self._window.wanted(mark, extent.length)
            if known is None or known[0] != wanted:  # blocks that are alike have one record
                try:
                    known = wanted, _block(mark, wanted, self._deltas, brought)
                except self._by.lost as error:
                    self._on_lost(extent, wanted, error)
                    known = None
                    continue
            self._on_block(extent, known[1])

    def _brought(self, read: Read) -> _Brought:
        reader = self._by.reader
        try:
            stored = reader.read_range(read.pack, read.offset, read.length)
        except self._by.lost:
            return _Brought(reader, read.offset, None, is_readable=False)
        view = None if stored is None else memoryview(stored)
        return _Brought(reader, read.offset, view)


@dataclass(frozen=True, slots=True)
class _Brought:
    """What a request has brought: less where the pack is cut, None where it is missing."""

    reader: BlockReader
    offset: int
    stored: memoryview | None
    is_readable: bool = True

    def part(self, place: Place) -> memoryview | None:
        """Return a record's bytes."""
        if self.stored is None:
            return None
        start = place.offset - self.offset
        return self.stored[start : start + place.length]

    def block(self, wanted: Wanted) -> bytes:
        """Return a block from the bytes that were brought, or else from a request of its own."""
        if not self.is_readable:
            return self.reader.read_block(wanted)
        return self.reader.block(wanted, self.part(wanted.place))


class _Deltas:
    """Deltas that wait for their bases, by the marks of their blocks.

    All lie in memory that is taken once: in pieces of their own they would lie between those that
    requests bring, and what these leave could not be given back.
    """

    def __init__(self, reader: BlockReader, delta_bytes: int) -> None:
        self._reader = reader
        self._room = memoryview(bytearray(delta_bytes))
        self._end = 0
        self._lock = threading.Lock()
        self._kept: dict[int, memoryview | None] = {}

    def keep(self, mark: int, stored: memoryview | None) -> None:
        """Keep a delta's bytes."""
        if stored is None:
            self._kept[mark] = None
            return
        with self._lock:
            start, self._end = self._end, self._end + len(stored)
        kept = self._room[start : start + len(stored)]
        kept[:] = stored
        self._kept[mark] = kept

    def block(self, mark: int, wanted: Wanted, base: BaseRecord, brought: _Brought) -> bytes:
        """Return the block of a delta whose base was *brought*."""

        def before() -> bytes:
            return brought.block(Wanted(base.kind, base.place))

        if mark not in self._kept:
            return self._reader.read_block(wanted, before)
        return self._reader.block(wanted, self._kept.pop(mark), before)


def _block(mark: int, wanted: Wanted, deltas: _Deltas, brought: _Brought) -> bytes:
    if wanted.base is None:
        return brought.block(wanted)
    return deltas.block(mark, wanted, wanted.base, brought)
