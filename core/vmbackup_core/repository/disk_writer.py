"""One session's attempt to write a disk into a chain, shard by shard."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import zstandard

from vmbackup_core.extents import Extent, aligned
from vmbackup_core.repository.adoption import LeftPack, adopt
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.index import HASH_BYTES, ShardIndex, encode_index, positions
from vmbackup_core.repository.known_blocks import KnownBlocks
from vmbackup_core.repository.names import Written
from vmbackup_core.repository.pack import RecordKind, compressed, new_compressor
from vmbackup_core.repository.pack_writer import PackWriter
from vmbackup_core.repository.records import Manifest, ShardReference, Statistics
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSource, Tally


@dataclass(frozen=True, slots=True)
class DiskToWrite:
    """What is asked for: the blocks of *extents* are read, the others are *base*'s, or zero.

    *extents* are whole blocks, in order.
    """

    source: DiskSource
    disk_bytes: int
    extents: Sequence[Extent]
    base: Manifest | None


class _ShardContent:
    """The hashes of one shard's blocks while they are being found; zero blocks have none."""

    def __init__(self, blocks: range) -> None:
        self.blocks = blocks
        self._bitmap = bytearray((len(blocks) + 7) // 8)
        self._hashes = bytearray(len(blocks) * HASH_BYTES)
        self._lock = threading.Lock()

    def set(self, block: int, block_hash: bytes) -> None:
        at = block - self.blocks.start
        self._hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] = block_hash
        with self._lock:  # eight blocks share a byte
            self._bitmap[at // 8] |= 1 << at % 8

    def bitmap(self) -> bytes:
        return bytes(self._bitmap)

    def hashes(self) -> bytes:
        """Return those of the used blocks, in order."""
        return b"".join(
            self._hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in positions(self._bitmap)
        )


class DiskWriter:
    """Writes packs and indexes of one session; what it found is its manifest's shards."""

    def __init__(  # noqa: PLR0913 - what is asked for, where, on top of what
        self,
        chain: Chain,
        written: Written,
        asked: DiskToWrite,
        newest: Manifest | None,
        left: list[LeftPack],
        *,
        pack_bytes: int,
        threads: int,
        tally: Tally,
    ) -> None:
        self._chain = chain
        self._written = written
        self._asked = asked
        self._newest = newest
        self._left = left
        self._threads = threads
        self._tally = tally
        self._own = threading.local()
        self._zeros = bytes(chain.parameters.block_bytes)
        self._packs = PackWriter(
            chain,
            written,
            pack_bytes=pack_bytes,
            on_stored=lambda stored: tally.add(stored=stored),
        )
        self._new_blocks = 0

    def write(self) -> tuple[ShardReference, ...]:
        """Return the lines of the manifest: one for each shard that is not all zero."""
        parameters = self._chain.parameters
        to_read = _by_shard(self._asked.extents, parameters.shard_bytes)
        ranges = next(to_read, None)
        lines: list[ShardReference] = []
        for shard in range(-(-self._asked.disk_bytes // parameters.shard_bytes)):
            mine: list[Extent] = []
            if ranges is not None and ranges[0] == shard:
                mine = ranges[1]
                ranges = next(to_read, None)
            line = self._shard(shard, mine)
            if line is not None:
                lines.append(line)
        return tuple(lines)

    def statistics(self, shards: tuple[ShardReference, ...]) -> Statistics:
        """Return what writing *shards* took."""
        now = self._tally.now
        used = sum(each.used_blocks for each in shards)
        blocks = -(-self._asked.disk_bytes // self._chain.parameters.block_bytes)
        return Statistics(
            read_bytes=now.done_bytes,
            stored_bytes=now.stored_bytes,
            new_blocks=self._new_blocks,
            reused_blocks=used - self._new_blocks,
            zero_blocks=blocks - used,
        )

    def _shard(self, shard: int, ranges: list[Extent]) -> ShardReference | None:
        base_line = _line(self._asked.base, shard)
        newest_line = _line(self._newest, shard)
        if not ranges and base_line is None:
            return None
        if not ranges and base_line == newest_line and self._same_length(shard):
            return newest_line
        newest = None if newest_line is None else self._chain.index_of(newest_line)
        content = _ShardContent(self._blocks_of(shard))
        known = KnownBlocks()
        if newest is not None:
            known.add_index(newest)
        adopt(self._chain, self._left, known, content.blocks)
        if base_line is not None:
            base = newest if base_line == newest_line else self._chain.index_of(base_line)
            if base is not None:
                ranges = self._carry(base, known, content, ranges)
        self._read(ranges, known, content)
        self._new_blocks += known.new_blocks
        return self._reference(shard, content, known, newest, newest_line)

    def _blocks_of(self, shard: int) -> range:
        parameters = self._chain.parameters
        per_shard = parameters.shard_bytes // parameters.block_bytes
        blocks = -(-self._asked.disk_bytes // parameters.block_bytes)
        return range(shard * per_shard, min((shard + 1) * per_shard, blocks))

    def _same_length(self, shard: int) -> bool:
        """Tell whether the base's *shard* ended where this one does."""
        base = self._asked.base
        shard_end = (shard + 1) * self._chain.parameters.shard_bytes
        return base is not None and (
            min(base.disk_bytes, shard_end) == min(self._asked.disk_bytes, shard_end)
        )

    def _carry(
        self, base: ShardIndex, known: KnownBlocks, content: _ShardContent, ranges: list[Extent]
    ) -> list[Extent]:
        """Take over the base's blocks outside *ranges*; return what is to be read after all.

        That is what the newest commit has no longer (only its packs are sure to stay), and a last
        block that was longer on the base's disk.
        """
        asked, block_bytes = self._asked, self._chain.parameters.block_bytes
        base_bytes = 0 if asked.base is None else asked.base.disk_bytes
        changed = bytearray(len(content.blocks))
        for extent in ranges:
            first = extent.offset // block_bytes - content.blocks.start
            last = -(-extent.end // block_bytes) - content.blocks.start
            changed[first:last] = b"\1" * (last - first)
        missing: list[Extent] = []
        hashes = dict(zip(base.used(), range(base.used_blocks), strict=True))
        for at, block in enumerate(content.blocks):
            if changed[at]:
                continue
            start = block * block_bytes
            end = min(start + block_bytes, asked.disk_bytes)
            entry = hashes.get(at)
            if end != min(start + block_bytes, base_bytes):
                missing.append(Extent(start, end - start))
            elif entry is not None and base.hash_at(entry) in known:
                content.set(block, base.hash_at(entry))
            elif entry is not None:
                missing.append(Extent(start, end - start))
        self._tally.add(total=sum(each.length for each in missing))
        return list(aligned([*ranges, *missing], block_bytes, asked.disk_bytes))

    def _read(self, ranges: list[Extent], known: KnownBlocks, content: _ShardContent) -> None:
        work_through(_units(ranges), lambda unit: self._unit(unit, known, content), self._threads)

    def _unit(self, unit: Extent, known: KnownBlocks, content: _ShardContent) -> None:
        """Read, and store what is new; at most 4 MiB, all of whole blocks."""
        buffer, compressor = self._thread_has()
        block_bytes = self._chain.parameters.block_bytes
        with memoryview(buffer) as whole, whole[: unit.length] as view:
            self._asked.source.read_into(unit.offset, view)
            for at in range(0, unit.length, block_bytes):
                block = bytes(view[at : at + block_bytes])
                if block != self._zeros[: len(block)]:
                    number = (unit.offset + at) // block_bytes
                    self._block(number, block, known, content, compressor)
        self._tally.add(done=unit.length)

    def _block(
        self,
        number: int,
        block: bytes,
        known: KnownBlocks,
        content: _ShardContent,
        compressor: zstandard.ZstdCompressor,
    ) -> None:
        block_hash = self._chain.block_hash(block)
        content.set(number, block_hash)
        if known.claim(block_hash):
            codec, body = compressed(block, compressor)
            kind = RecordKind(codec, len(block), block_hash)
            pack, place = self._packs.add(number, body, kind)
            known.stored(block_hash, pack, place)

    def _thread_has(self) -> tuple[bytearray, zstandard.ZstdCompressor]:
        """Return this thread's buffer and compressor, which are used again and again."""
        if not hasattr(self._own, "tools"):
            self._own.tools = (bytearray(UNIT_BYTES), new_compressor())
        tools: tuple[bytearray, zstandard.ZstdCompressor] = self._own.tools
        return tools

    def _reference(
        self,
        shard: int,
        content: _ShardContent,
        known: KnownBlocks,
        newest: ShardIndex | None,
        newest_line: ShardReference | None,
    ) -> ShardReference | None:
        """Store the shard's index, unless it equals the newest commit's; return its line."""
        sizes = self._packs.flush()
        bitmap, hashes = content.bitmap(), content.hashes()
        if not hashes:
            return None
        blocks = len(content.blocks)
        digest = self._chain.shard_digest(shard, blocks, bitmap, hashes)
        if newest is not None and newest_line is not None and newest_line.digest == digest:
            return newest_line
        index = known.index(shard, blocks, bitmap, hashes, sizes)
        name = self._written.index(shard)
        sha256 = self._chain.put("INDX", name, encode_index(index))
        return ShardReference(shard, name, sha256, digest, index.used_blocks)


def _by_shard(extents: Sequence[Extent], shard_bytes: int) -> Iterator[tuple[int, list[Extent]]]:
    """Yield the shards that *extents* touch, in order, each with its part of them."""
    shard, mine = -1, list[Extent]()
    for extent in extents:
        start = extent.offset
        while start < extent.end:
            here = start // shard_bytes
            if here != shard:
                if mine:
                    yield shard, mine
                shard, mine = here, []
            end = min(extent.end, (here + 1) * shard_bytes)
            mine.append(Extent(start, end - start))
            start = end
    if mine:
        yield shard, mine


def _units(ranges: list[Extent]) -> Iterator[Extent]:
    """Yield *ranges* cut where the disk's units of 4 MiB meet."""
    for each in ranges:
        start = each.offset
        while start < each.end:
            end = min(each.end, (start // UNIT_BYTES + 1) * UNIT_BYTES)
            yield Extent(start, end - start)
            start = end


def _line(manifest: Manifest | None, shard: int) -> ShardReference | None:
    if manifest is None:
        return None
    return next((each for each in manifest.shards if each.number == shard), None)
