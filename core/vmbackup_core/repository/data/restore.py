"""Restoring one disk: every block verified, only those written that are not zero."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vmbackup_core.extents import Extent, merged
from vmbackup_core.repository.crew import taken_ahead
from vmbackup_core.repository.data.block_reader import BlockReader, Healed, Wanted
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest, ShardLine
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore_windows import Window, windows_of
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.window_reader import LOST, Lost, WindowReader
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import DiskSink, OnProgress, Tally

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
    reader = WindowReader(BlockReader(store, keys, healed), manifest.said, threads)
    told = on_hole or _untold
    restoring = _Restoring(reader, manifest, sink, told if keep_going else None, progress)
    index = IndexReader(store, keys, manifest)
    for window, spent in taken_ahead(_windows(restoring, index), threads):
        restoring.restore(window, spent)
    return restoring.holes()


def _windows(restoring: _Restoring, index: IndexReader) -> Iterator[tuple[Window, int]]:
    """Yield each window, and how many requests it took to know where its blocks lie."""
    known = -1  # the manifest's own
    for window in windows_of(restoring.views(index)):
        yield window, index.requests - known
        known = index.requests


class _Restoring:
    """A disk on its way out of the repository."""

    def __init__(
        self,
        reader: WindowReader,
        manifest: Manifest,
        sink: DiskSink,
        on_hole: OnHole | None,
        progress: OnProgress,
    ) -> None:
        self._reader = reader
        self._manifest = manifest
        self._said = manifest.said
        self._sink = sink
        self._on_hole = on_hole
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

    def restore(self, window: Window, spent: int) -> None:
        """Write a window's blocks; so many requests were *spent* on finding where they lie."""
        self._reader.read(window, self._write, self._lost_block, spent)

    def _view(self, line: ShardLine, index: IndexReader) -> ShardView[PackRow] | None:
        try:
            return index.shard(line)
        except LOST as error:
            self._lost(self._said.shard_extent(line.shard), error)
            return None

    def _write(self, extent: Extent, block: bytes) -> None:
        self._sink.write_at(extent.offset, block)
        self._tally.add(done=extent.length)

    def _lost_block(self, extent: Extent, _wanted: Wanted, error: Lost) -> None:
        self._lost(extent, error)

    def _lost(self, extent: Extent, error: Lost) -> None:
        if self._on_hole is None:
            raise error
        self._on_hole(extent, str(error))
        with self._lock:
            self._holes.append(extent)
            if len(self._reasons) < MOST_REASONS:
                self._reasons.append(str(error))
