"""Restoring one disk: every block verified, only those written that are not zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.index import PackRow, RecordPlace, ShardIndex
from vmbackup_core.repository.pack import RecordKind
from vmbackup_core.repository.pack_reader import read_record
from vmbackup_core.repository.records import Manifest, ShardReference
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSink, OnProgress, Tally


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One block: which, what it has to be, and its record."""

    block: int
    block_hash: bytes
    place: RecordPlace


@dataclass(frozen=True, slots=True)
class _Run:
    """Records that lie side by side in one pack: one request."""

    pack: PackRow
    wanted: list[_Wanted]


def restore_commit(
    chain: Chain, manifest: Manifest, sink: DiskSink, *, progress: OnProgress, threads: int
) -> None:
    """Write the disk that *manifest* describes into *sink*.

    The disk's digest is that of the lines, each line's is compared with its index's hashes, and
    each block with its hash: so what is written is what was backed up, or an error was raised.
    """
    found = chain.disk_digest(manifest.disk_bytes, manifest.shards)
    if found != manifest.digest:
        raise CorruptRepository(
            f"manifest of slot {manifest.slot} of chain {chain.chain_id}: digest {found}, says "
            f"{manifest.digest}"
        )
    used = sum(each.used_blocks for each in manifest.shards)
    tally = Tally(used * chain.parameters.block_bytes, progress)
    for line in manifest.shards:
        _restore_shard(chain, manifest, line, sink, tally, threads)


def _restore_shard(
    chain: Chain,
    manifest: Manifest,
    line: ShardReference,
    sink: DiskSink,
    tally: Tally,
    threads: int,
) -> None:
    index = chain.index_of(line)
    ciphers = {row.origin: chain.pack_cipher(row.origin) for row in index.packs}
    first_block = index.shard * (manifest.shard_bytes // manifest.block_bytes)

    def restore(run: _Run) -> None:
        name = chain.full_name(str(run.pack.holder))
        start = run.wanted[0].place.offset
        last = run.wanted[-1].place
        stored = chain.store.get_range(name, start, last.offset + last.length - start)
        view = memoryview(stored)
        for each in run.wanted:
            place, offset = each.place, (first_block + each.block) * manifest.block_bytes
            length = min(manifest.block_bytes, manifest.disk_bytes - offset)
            kind = RecordKind(place.codec, length, each.block_hash)
            record = view[place.offset - start : place.offset - start + place.length]
            block = read_record(chain, name, place.number, record, kind, ciphers[run.pack.origin])
            sink.write_at(offset, block)
            tally.add(done=manifest.block_bytes)

    work_through(_runs(index), restore, threads)


def _runs(index: ShardIndex) -> Iterator[_Run]:
    """Yield the index's blocks in order, joined while their records lie side by side."""
    wanted: list[_Wanted] = []
    row = end = size = 0
    for entry, block in enumerate(index.used()):
        place = index.place_at(entry)
        follows = place.row == row and place.offset == end and size + place.length <= UNIT_BYTES
        if wanted and not follows:
            yield _Run(index.packs[row], wanted)
            wanted, size = [], 0
        wanted.append(_Wanted(block, index.hash_at(entry), place))
        row, end, size = place.row, place.offset + place.length, size + place.length
    if wanted:
        yield _Run(index.packs[row], wanted)
