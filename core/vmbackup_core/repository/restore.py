"""Restoring one disk: every block verified, only those written that are not zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.holes import DAMAGE, Hole, OnHole
from vmbackup_core.repository.index import PackRow, RecordPlace, ShardIndex
from vmbackup_core.repository.pack import RecordKind
from vmbackup_core.repository.pack_reader import read_record
from vmbackup_core.repository.records import Manifest, ShardReference
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSink, OnProgress, Tally
from vmbackup_core.stores.port import ObjectUnreadable


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One block: where on the disk, how long, what it has to be, and its record."""

    offset: int
    length: int
    block_hash: bytes
    place: RecordPlace


@dataclass(frozen=True, slots=True)
class _Run:
    """Records that lie side by side in one pack: one request."""

    pack: PackRow
    wanted: list[_Wanted]


def restore_commit(
    chain: Chain,
    manifest: Manifest,
    sink: DiskSink,
    *,
    progress: OnProgress,
    threads: int,
    on_hole: OnHole | None = None,
) -> None:
    """Write the disk that *manifest* describes into *sink*.

    The disk's digest is that of the lines, each line's is compared with its index's hashes, and
    each block with its hash: so what is written is what was backed up, or an error was raised.
    With *on_hole* what is damaged is told there, is not written, and all else is.
    """
    found = chain.disk_digest(manifest.disk_bytes, manifest.shards)
    if found != manifest.digest:
        raise CorruptRepository(
            f"manifest of slot {manifest.slot} of chain {chain.chain_id}: digest {found}, says "
            f"{manifest.digest}"
        )
    used = sum(each.used_blocks for each in manifest.shards)
    tally = Tally(used * chain.parameters.block_bytes, progress)
    restore = _Restore(chain, manifest, sink, tally, threads, on_hole)
    for line in manifest.shards:
        restore.shard(line)


@dataclass(frozen=True, slots=True)
class _Restore:
    """One disk on its way into *sink*."""

    chain: Chain
    manifest: Manifest
    sink: DiskSink
    tally: Tally
    threads: int
    on_hole: OnHole | None

    def shard(self, line: ShardReference) -> None:
        """Write one shard, or tell of it as a hole where its index is damaged."""
        try:
            index = self.chain.index_of(line)
        except DAMAGE as error:
            offset = line.number * self.manifest.shard_bytes
            length = min(self.manifest.shard_bytes, self.manifest.disk_bytes - offset)
            self._told(Hole(offset, length, str(error)), error)
            self.tally.add(done=line.used_blocks * self.manifest.block_bytes)
            return
        work_through(self._runs(index), self._run, self.threads)

    def _run(self, run: _Run) -> None:
        start, last = run.wanted[0].place.offset, run.wanted[-1].place
        name = self.chain.full_name(str(run.pack.holder))
        try:
            stored = self.chain.store.get_range(name, start, last.offset + last.length - start)
        except ObjectUnreadable as error:
            self._part(run, error)
        except DAMAGE as error:
            self._lost(run.wanted, error)
        else:
            self._blocks(name, run, memoryview(stored))

    def _part(self, run: _Run, error: ObjectUnreadable) -> None:
        """Ask for the records one by one where some of them may be readable."""
        if self.on_hole is None or error.reason != "ObjectUnreadable" or len(run.wanted) == 1:
            self._lost(run.wanted, error)
            return
        for each in run.wanted:
            self._run(replace(run, wanted=[each]))

    def _blocks(self, name: str, run: _Run, stored: memoryview) -> None:
        start = run.wanted[0].place.offset
        cipher = self.chain.pack_cipher(run.pack.origin)
        for each in run.wanted:
            place = each.place
            kind = RecordKind(place.codec, each.length, each.block_hash)
            record = stored[place.offset - start : place.offset - start + place.length]
            try:
                block = read_record(self.chain, name, place.number, record, kind, cipher)
            except DAMAGE as error:
                self._lost([each], error)
                continue
            self.sink.write_at(each.offset, block)
            self.tally.add(done=self.manifest.block_bytes)

    def _lost(self, wanted: list[_Wanted], error: Exception) -> None:
        for each in wanted:
            self._told(Hole(each.offset, each.length, str(error)), error)
            self.tally.add(done=self.manifest.block_bytes)

    def _told(self, hole: Hole, error: Exception) -> None:
        if self.on_hole is None:
            raise error
        self.on_hole(hole)

    def _runs(self, index: ShardIndex) -> Iterator[_Run]:
        """Yield the index's blocks in order, joined while their records lie side by side."""
        first = index.shard * (self.manifest.shard_bytes // self.manifest.block_bytes)
        wanted: list[_Wanted] = []
        row = end = size = 0
        for entry, block in enumerate(index.used()):
            place = index.place_at(entry)
            follows = place.row == row and place.offset == end and size + place.length <= UNIT_BYTES
            if wanted and not follows:
                yield _Run(index.packs[row], wanted)
                wanted, size = [], 0
            offset = (first + block) * self.manifest.block_bytes
            length = min(self.manifest.block_bytes, self.manifest.disk_bytes - offset)
            wanted.append(_Wanted(offset, length, index.hash_at(entry), place))
            row, end, size = place.row, place.offset + place.length, size + place.length
        if wanted:
            yield _Run(index.packs[row], wanted)
