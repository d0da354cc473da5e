"""Restoring one disk: every block verified, only those written that are not zero."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent, merged
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.block_reader import (
    BaseRecord,
    BlockReader,
    Healed,
    Place,
    Wanted,
)
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest, ShardLine
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.reading_order import Read
from vmbackup_core.repository.data.restore_windows import Window, windows_of
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.transfer import DiskSink, OnProgress, Tally

#: What one record or section can be like while all else comes back.
_LOST = (CorruptRepository, NotUnderstood)

#: How many losses are told one by one; positions are told all.
MOST_REASONS = 100


#: Is told of each extent that stays zero, and why.
OnHole = Callable[[Extent, str], None]


def _untold(_extent: Extent, _why: str) -> None:
    return


@dataclass(slots=True)
class Holes:
    """What could not be restored: the bytes there are left zero."""

    extents: list[Extent] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def restore_manifest(  # noqa: PLR0913 - what, where to, how
    store: DataSource,
    keys: ChainKeys,
    manifest: Manifest,
    healed: Healed,
    sink: DiskSink,
    *,
    keep_going: bool = False,
    threads: int,
    progress: OnProgress,
    on_hole: OnHole | None = None,
) -> Holes:
    """Write the disk that *manifest* describes into *sink*; return what is missing of it.

    Without *keep_going* the first block that is lost ends it; with it, each is told to *on_hole*,
    by several threads in no order. Each block is compared with its hash
    and the manifest with its digest before, so what is written is what was backed up.
    """
    reader = BlockReader(store, keys, healed)
    told = on_hole or _untold
    restoring = _Restoring(reader, manifest, sink, told if keep_going else None, threads, progress)
    for window in windows_of(restoring.views(IndexReader(store, keys, manifest))):
        restoring.restore(window)
    return restoring.holes()


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
    """Deltas that wait for their bases, by the marks of their blocks."""

    def __init__(self, reader: BlockReader) -> None:
        self._reader = reader
        self._kept: dict[int, bytes | None] = {}

    def keep(self, mark: int, stored: memoryview | None) -> None:
        """Keep a delta's bytes."""
        self._kept[mark] = None if stored is None else bytes(stored)

    def block(self, mark: int, wanted: Wanted, base: BaseRecord, brought: _Brought) -> bytes:
        """Return the block of a delta whose base was *brought*."""

        def before() -> bytes:
            return brought.block(Wanted(base.kind, base.place))

        if mark not in self._kept:
            return self._reader.read_block(wanted, before)
        return self._reader.block(wanted, self._kept.pop(mark), before)


class _Restoring:
    """A disk on its way out of the repository."""

    def __init__(
        self,
        reader: BlockReader,
        manifest: Manifest,
        sink: DiskSink,
        on_hole: OnHole | None,
        threads: int,
        progress: OnProgress,
    ) -> None:
        self._reader = reader
        self._manifest = manifest
        self._said = manifest.said
        self._sink = sink
        self._on_hole = on_hole
        self._threads = threads
        used = manifest.lines.used_blocks
        self._tally = Tally(used * manifest.said.block_bytes, progress)
        self._lock = threading.Lock()
        self._holes: list[Extent] = []
        self._reasons: list[str] = []

    def holes(self) -> Holes:
        """Return what is missing, in order."""
        return Holes(list(merged(self._holes)), self._reasons)

    def views(self, index: IndexReader) -> Iterator[ShardView[PackRow]]:
        """Yield every shard that opens; the others are holes."""
        for line in self._manifest.lines:
            view = self._view(line, index)
            if view is not None:
                yield view

    def restore(self, window: Window) -> None:
        """Write one window's blocks, those of deltas once their bases are read."""
        first, then = window.reads()
        deltas = _Deltas(self._reader)

        def keep_or_write(read: Read) -> None:
            brought = self._brought(read)
            own = [mark for mark in read.marks if not window.is_delta(mark)]
            for mark in set(read.marks).difference(own) if brought.is_readable else ():
                wanted = window.wanted(mark, self._extent(window, mark).length)
                deltas.keep(mark, brought.part(wanted.place))
            self._write(window, own, deltas, brought)

        def write(read: Read) -> None:
            self._write(window, read.marks, deltas, self._brought(read))

        work_through(first, keep_or_write, self._threads)
        work_through(then, write, self._threads)

    def _view(self, line: ShardLine, index: IndexReader) -> ShardView[PackRow] | None:
        try:
            return index.shard(line)
        except _LOST as error:
            self._lost(self._said.shard_extent(line.shard), error)
            return None

    def _write(
        self, window: Window, marks: Sequence[int], deltas: _Deltas, brought: _Brought
    ) -> None:
        """Write the blocks of records that were *brought*, or whose bases were."""
        known: tuple[Wanted, bytes] | None = None
        for mark in marks:
            extent = self._extent(window, mark)
            wanted = window.wanted(mark, extent.length)
            if known is None or known[0] != wanted:  # blocks that are alike have one record
                try:
                    known = wanted, _block(mark, wanted, deltas, brought)
                except _LOST as error:
                    self._lost(extent, error)
                    known = None
                    continue
            self._sink.write_at(extent.offset, known[1])
            self._tally.add(done=extent.length)

    def _brought(self, read: Read) -> _Brought:
        try:
            stored = self._reader.read_range(read.pack, read.offset, read.length)
        except CorruptRepository:
            return _Brought(self._reader, read.offset, None, is_readable=False)
        view = None if stored is None else memoryview(stored)
        return _Brought(self._reader, read.offset, view)

    def _extent(self, window: Window, mark: int) -> Extent:
        view, block = window.block_of(mark)
        return self._said.block_extent(view.shard, block)

    def _lost(self, extent: Extent, error: CorruptRepository | NotUnderstood) -> None:
        if self._on_hole is None:
            raise error
        self._on_hole(extent, str(error))
        with self._lock:
            self._holes.append(extent)
            if len(self._reasons) < MOST_REASONS:
                self._reasons.append(str(error))


def _block(mark: int, wanted: Wanted, deltas: _Deltas, brought: _Brought) -> bytes:
    if wanted.base is None:
        return brought.block(wanted)
    return deltas.block(mark, wanted, wanted.base, brought)
