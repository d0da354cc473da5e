"""Restoring one disk: every block verified, only those written that are not zero."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

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
from vmbackup_core.repository.data.pack_reader import joined
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.records import RecordKind
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSink, OnProgress, Tally

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


@dataclass(frozen=True, slots=True)
class _Run:
    """Entries of a shard whose records are read in one request."""

    row: PackRow
    offset: int
    length: int
    entries: Sequence[int]


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
    index = IndexReader(store, keys, manifest)
    for line in manifest.lines:
        restoring.restore_shard(line, index)
    return restoring.holes()


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

    def restore_shard(self, line: ShardLine, index: IndexReader) -> None:
        """Write one shard."""
        try:
            view = index.shard(line)
        except _LOST as error:
            start = line.shard * self._said.shard_bytes
            end = min(start + self._said.shard_bytes, self._said.disk_bytes)
            self._lost(Extent(start, end - start), error)
            return
        blocks: dict[int, list[int]] = {}
        for block, entry in view.places():
            blocks.setdefault(entry, []).append(block)
        bases = view.entries.bases_before()

        def restore(run: _Run) -> None:
            self._restore_run(run, view, bases, blocks)

        work_through(_runs(view, blocks), restore, self._threads)

    def _restore_run(
        self,
        run: _Run,
        view: ShardView[PackRow],
        bases: Sequence[int],
        blocks: dict[int, list[int]],
    ) -> None:
        read = self._read(run)
        for entry in run.entries:
            extents = [self._extent(view.shard, block) for block in blocks[entry]]
            wanted = wanted_of(view, entry, bases[entry], extents[0].length)
            try:
                block = read(wanted)
            except _LOST as error:
                for extent in extents:
                    self._lost(extent, error)
                continue
            for extent in extents:
                self._sink.write_at(extent.offset, block)
                self._tally.add(done=extent.length)

    def _read(self, run: _Run) -> Callable[[Wanted], bytes]:
        """Return what reads one of the run's records: from all of them, or else one by one."""
        try:
            stored = self._reader.read_range(run.row, run.offset, run.length)
        except CorruptRepository:
            return self._reader.read_block
        return lambda wanted: self._reader.block(wanted, _part(stored, run, wanted.place))

    def _extent(self, shard: int, block: int) -> Extent:
        offset = shard * self._said.shard_bytes + block * self._said.block_bytes
        return Extent(offset, min(self._said.block_bytes, self._said.disk_bytes - offset))

    def _lost(self, extent: Extent, error: CorruptRepository | NotUnderstood) -> None:
        if self._on_hole is None:
            raise error
        self._on_hole(extent, str(error))
        with self._lock:
            self._holes.append(extent)
            if len(self._reasons) < MOST_REASONS:
                self._reasons.append(str(error))


def _part(stored: bytes | None, run: _Run, place: Place) -> memoryview | None:
    """Return a record's bytes from those of its run, fewer where the pack is cut."""
    if stored is None:
        return None
    start = place.offset - run.offset
    return memoryview(stored)[start : start + place.length]


def wanted_of(view: ShardView[PackRow], entry: int, base: int, block_bytes: int) -> Wanted:
    """Return the block of an entry; *base* is how many deltas are before it."""
    entries, bases = view.entries, view.entries.bases
    row, number = view.rows[entries.rows[entry]], entries.numbers[entry]
    place = Place(row, number, entries.offsets[entry], entries.lengths[entry])
    codec, block_hash = entries.codecs[entry], entries.hash_at(entry)
    if codec != DELTA:
        return Wanted(RecordKind(codec, block_bytes, block_hash), place)
    before = Place(
        view.rows[bases.rows[base]], bases.numbers[base], bases.offsets[base], bases.lengths[base]
    )
    kind = RecordKind(bases.codecs[base], bases.block_bytes[base], bases.hash_at(base))
    return Wanted(
        RecordKind(codec, block_bytes, block_hash, kind.block_hash), place, BaseRecord(before, kind)
    )


def _runs(view: ShardView[PackRow], wanted: Iterable[int]) -> Iterator[_Run]:
    """Yield the records of *wanted* entries, pack by pack and by offset, gaps joined."""
    entries = view.entries
    order = sorted(wanted, key=lambda entry: (entries.rows[entry], entries.offsets[entry]))
    for row, group in groupby(order, key=lambda entry: entries.rows[entry]):
        mine = list(group)
        places = [(entries.offsets[entry], entries.lengths[entry]) for entry in mine]
        for offset, length, which in joined(places, most_bytes=UNIT_BYTES):
            yield _Run(view.rows[row], offset, length, [mine[at] for at in which])
