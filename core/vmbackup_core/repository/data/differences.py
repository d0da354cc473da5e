"""Making a disk that has other content what a manifest says, writing only what differs.

Each block of the disk is read and hashed, and the index alone tells whether it is the point's: of
the repository's packs only the blocks are read that differ. Begun again, it goes on: what was
written does not differ any more.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from vmbackup_core.extents import Extent, merged
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.block_reader import BlockReader, Healed, Wanted
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore_windows import windows_of_some
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.window_reader import Lost, WindowReader
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSink, DiskSource

#: Is told of bytes, by one thread at a time.
OnBytes = Callable[[int], None]

#: No block is longer.
_ZEROS = bytes(UNIT_BYTES)


class DiskInPlace(DiskSource, DiskSink, Protocol):
    """A disk that has content: read and written by several threads at once."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How many bytes of the disk differed from the point, all of which were written."""

    differing_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class _Differing:
    """What of one shard's place on the disk is not the point's.

    *blocks* are those that the repository holds, by number in the shard; *zeros* is to be zero.
    """

    view: ShardView[PackRow] | None
    blocks: list[int]
    zeros: list[Extent]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares *disk*, of *disk_bytes*, with a manifest; behind the point's end all is zero.

    *on_compared* is told how many bytes more of it were read.
    """

    store: DataSource
    keys: ChainKeys
    manifest: Manifest
    disk: DiskInPlace
    disk_bytes: int
    threads: int
    on_compared: OnBytes
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def rewrite(self, healed: Healed, on_written: OnBytes) -> Rewritten:
        """Write each block that differs, compared with its hash before; the first lost ends it.

        *on_written* is told how many bytes were written in all.
        """
        differing = written = 0

        def write(extent: Extent, block: bytes) -> None:
            nonlocal written
            self.disk.write_at(extent.offset, block)
            with self._lock:
                written += extent.length
                on_written(written)

        def chosen() -> Iterator[tuple[ShardView[PackRow], Iterator[tuple[int, int]]]]:
            nonlocal differing
            for found in self._shards():
                differing += self._bytes_of(found)
                for extent in found.zeros:
                    for piece in _pieces(extent, UNIT_BYTES):
                        write(piece, _ZEROS[: piece.length])
                if found.view is not None and found.blocks:
                    yield found.view, ((each, found.view.at[each]) for each in found.blocks)

        reader = WindowReader(
            BlockReader(self.store, self.keys, healed), self.manifest.said, self.threads
        )
        for window in windows_of_some(chosen()):
            reader.read(window, write, _raise)
        return Rewritten(differing, written)

    def differing_bytes(self) -> int:
        """Return how many bytes of the disk are in blocks that differ; nothing is written."""
        return sum(self._bytes_of(found) for found in self._shards())

    def _bytes_of(self, found: _Differing) -> int:
        shard = 0 if found.view is None else found.view.shard
        blocks = (self.manifest.said.block_extent(shard, each).length for each in found.blocks)
        return sum(blocks) + sum(each.length for each in found.zeros)

    def _shards(self) -> Iterator[_Differing]:
        """Yield what differs, shard by shard, and of what lies behind the point's end."""
        said = self.manifest.said
        index = IndexReader(self.store, self.keys, self.manifest)
        for shard in range(-(-said.disk_bytes // said.shard_bytes)):
            line = self.manifest.lines.line_of(shard)
            view = None if line is None else index.shard(line)
            at = array("I") if view is None else view.at
            blocks, zeros = self._compare(said.shard_extent(shard), at, view)
            yield _Differing(view, blocks, zeros)
        if self.disk_bytes > said.disk_bytes:
            behind = Extent(said.disk_bytes, self.disk_bytes - said.disk_bytes)
            for piece in _pieces(behind, said.shard_bytes):
                yield _Differing(None, *self._compare(piece, array("I"), None))

    def _compare(
        self, place: Extent, at: array[int], view: ShardView[PackRow] | None
    ) -> tuple[list[int], list[Extent]]:
        """Return which blocks of a shard that lies at *place* differ, and what is to be zero."""
        block_bytes = self.manifest.said.block_bytes
        blocks: list[int] = []
        zeros: list[Extent] = []

        def compare(unit: Extent) -> None:
            content = bytearray(unit.length)
            self.disk.read_into(unit.offset, memoryview(content))
            first = (unit.offset - place.offset) // block_bytes
            for number, start in enumerate(range(0, unit.length, block_bytes), first):
                block = bytes(memoryview(content)[start : start + block_bytes])
                entry = at[number] if number < len(at) else ZERO
                known = None if view is None or entry == ZERO else view.entries.hash_at(entry)
                if not self._is_same(block, known):
                    extent = Extent(unit.offset + start, len(block))
                    # Appending is one step of the interpreter: no thread is in another's way.
                    if known is None:
                        zeros.append(extent)
                    else:
                        blocks.append(number)
            with self._lock:
                self.on_compared(unit.length)

        work_through(_pieces(place, UNIT_BYTES), compare, self.threads)
        return sorted(blocks), list(merged(zeros))

    def _is_same(self, block: bytes, known: bytes | None) -> bool:
        is_zero = _ZEROS.startswith(block)
        if known is None or is_zero:
            return known is None and is_zero
        return self.keys.block_hash(block) == known


def _pieces(extent: Extent, most: int) -> Iterator[Extent]:
    """Yield *extent* in order, in pieces of *most* bytes and one for the rest."""
    for offset in range(extent.offset, extent.end, most):
        yield Extent(offset, min(most, extent.end - offset))


def _raise(_extent: Extent, _wanted: Wanted, error: Lost) -> None:
    raise error
