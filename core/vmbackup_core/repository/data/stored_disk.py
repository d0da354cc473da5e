"""A stored disk as something that is read again: what its manifest describes, byte for byte.

An archive is written from it. Each block is compared with its hash, as a restore compares it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from typing_extensions import override

from vmbackup_core.extents import Extent, Extents
from vmbackup_core.repository.data.block_reader import BlockReader, Healed, Wanted
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore_windows import windows_of_some
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.window_reader import Lost, WindowReader
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import DiskSource

#: Shards kept open: a disk is read in order, so that its threads are in two of them at most.
_SHARDS: Final = 2


class StoredDisk(DiskSource):
    """Reads the disk of *manifest*; what is lost, and was not healed, ends it.

    What is missing, differs from its hash or its digest is CorruptRepository.
    """

    def __init__(
        self, store: DataSource, keys: ChainKeys, manifest: Manifest, healed: Healed
    ) -> None:
        self._said = manifest.said
        self._lines = manifest.lines
        self._index = IndexReader(store, keys, manifest)
        # One thread: whoever reads has several, each with a piece of its own.
        self._reader = WindowReader(BlockReader(store, keys, healed), manifest.said, threads=1)
        self._lock = threading.Lock()
        self._views: OrderedDict[int, ShardView[PackRow]] = OrderedDict()

    def used(self) -> Extents:
        """Return what of the disk is not zero, in whole blocks."""
        found = Extents()
        for line in self._lines:
            view = self._view(line.shard)
            if view is None:
                continue
            for block, _entry in view.places():
                found.add(self._said.block_extent(line.shard, block))
        return found

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        asked = Extent(offset, len(buffer))
        buffer[:] = bytes(len(buffer))

        def take(extent: Extent, block: bytes) -> None:
            start, end = max(extent.offset, asked.offset), min(extent.end, asked.end)
            buffer[start - asked.offset : end - asked.offset] = block[
                start - extent.offset : end - extent.offset
            ]

        chosen = ((view, _within(view, blocks)) for view, blocks in self._shards(asked))
        for window in windows_of_some(chosen):
            self._reader.read(window, take, _raise)

    def _shards(self, asked: Extent) -> Iterator[tuple[ShardView[PackRow], range]]:
        """Yield the shards that *asked* touches, each with the numbers of its blocks there."""
        said = self._said
        for shard in range(asked.offset // said.shard_bytes, -(-asked.end // said.shard_bytes)):
            view, start = self._view(shard), shard * said.shard_bytes
            if view is None:
                continue
            first = max(asked.offset - start, 0) // said.block_bytes
            yield view, range(first, min(-(-(asked.end - start) // said.block_bytes), view.blocks))

    def _view(self, shard: int) -> ShardView[PackRow] | None:
        """Return a shard, None where all of it is zero."""
        with self._lock:
            view = self._views.get(shard)
            if view is not None:
                return view
            line = self._lines.line_of(shard)
            if line is None:
                return None
            view = self._views[shard] = self._index.shard(line)
            while len(self._views) > _SHARDS:
                self._views.popitem(last=False)
            return view


def _within(view: ShardView[PackRow], blocks: range) -> Iterator[tuple[int, int]]:
    """Yield number and entry of those of *blocks* that are not zero."""
    for block, entry in view.places(blocks.start):
        if block >= blocks.stop:
            return
        yield block, entry


def _raise(_extent: Extent, _wanted: Wanted, error: Lost) -> None:
    raise error
