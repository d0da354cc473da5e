"""One shard of a disk while it is written: what is taken over, what is read, what is stored."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress

import zstandard

from vmbackup_core.extents import Extent, Extents, aligned
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.known_places import KnownPlaces
from vmbackup_core.repository.data.pack_writer import NewRecord, PackWriter
from vmbackup_core.repository.data.records import (
    BaseBlock,
    RecordKind,
    encode_block,
    new_compressor,
)
from vmbackup_core.repository.data.shard_view import ZERO, ShardView, used_of
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.transfer import UNIT_BYTES, DiskSource, Tally


@dataclass(frozen=True, slots=True)
class Reading:
    """What a disk's blocks are read from, and where to: the same for all of its shards.

    *predecessor* shows the disk as the newest manifest has it, where deltas are asked for.
    """

    source: DiskSource
    predecessor: DiskSource | None
    disk_bytes: int
    parameters: Parameters
    keys: ChainKeys
    packs: PackWriter
    tally: Tally
    threads: int
    level: int

    def blocks_of(self, shard: int) -> range:
        """Return the numbers, on the disk, of a shard's blocks."""
        block_bytes, shard_bytes = self.parameters.block_bytes, self.parameters.shard_bytes
        per_shard = shard_bytes // block_bytes
        blocks = -(-self.disk_bytes // block_bytes)
        return range(shard * per_shard, min((shard + 1) * per_shard, blocks))


class Tools(threading.local):
    """What each thread uses again and again."""

    def __init__(self, level: int, block_bytes: int) -> None:
        self.buffer = bytearray(max(UNIT_BYTES, block_bytes))
        self.compressor: zstandard.ZstdCompressor = new_compressor(level)


@dataclass(frozen=True, slots=True)
class _NewBlock:
    """A block that is to be stored, and its entry; *base* is the one that it is a delta after."""

    entry: int
    record: NewRecord
    base: int | None


class ShardContent:
    """The blocks of one shard while their places are being found."""

    def __init__(self, reading: Reading, tools: Tools, shard: int, known: KnownPlaces) -> None:
        self._reading = reading
        self._tools = tools
        self._blocks = reading.blocks_of(shard)
        self._known = known
        self._zeros = bytes(reading.parameters.block_bytes)
        self._newest: ShardView[PackRow] | None = None
        self._newest_bytes = 0
        self._expected: dict[int, bytes] = {}
        self._lock = threading.Lock()
        #: For each block the entry of `known` with its place, or ZERO.
        self.at = array("I", [ZERO]) * len(self._blocks)
        #: Blocks that no changed extent covers and that are not what the base says.
        self.changed_outside = 0

    def make_deltas(self, newest: ShardView[PackRow], disk_bytes: int) -> None:
        """Store new blocks as what has changed since the newest manifest, where it is shorter."""
        self._newest, self._newest_bytes = newest, disk_bytes

    def carry(self, base: ShardView[PackRow], changed: Extents, *, known: bool) -> None:
        """Take the base's blocks outside *changed* over; read those whose place is not known.

        *known* says that the base is the newest manifest, whose entries have their numbers.
        """
        taken = base.at[: len(self._blocks)]
        self._leave_out(taken, changed)
        if known and not self._known.has_bad:
            self.at[: len(taken)] = taken
            self.read(changed)
        else:
            self._carry_each(base, taken, changed, known=known)

    def _leave_out(self, taken: array[int], changed: Extents) -> None:
        """Have *taken* be zero where *changed* is read."""
        first, block_bytes = self._blocks.start, self._reading.parameters.block_bytes
        for extent in changed:
            start = min(extent.offset // block_bytes - first, len(taken))
            end = min(-(-extent.end // block_bytes) - first, len(taken))
            taken[start:end] = array("I", [ZERO]) * (end - start)

    def _carry_each(
        self,
        base: ShardView[PackRow],
        taken: array[int],
        changed: Extents,
        *,
        known: bool,
    ) -> None:
        """Take the blocks of *taken* over, one by one."""
        first, block_bytes = self._blocks.start, self._reading.parameters.block_bytes
        missing: list[Extent] = []
        for block, entry in compress(enumerate(taken), used_of(taken)):
            place = self._place(base, entry, known=known)
            if place is None:
                self._expected[block] = base.entries.hash_at(entry)
                missing.append(self._extent(first + block))
            else:
                self.at[block] = place
        self._reading.tally.add(total=sum(each.length for each in missing))
        whole = aligned([*changed, *missing], block_bytes, self._reading.disk_bytes)
        self.read(whole)

    def read(self, extents: Iterable[Extent]) -> None:
        """Read *extents*, which are whole blocks, and store what is new."""
        units = _units(extents, len(self._tools.buffer))
        work_through(units, self._read_unit, self._reading.threads)

    def _place(self, base: ShardView[PackRow], entry: int, *, known: bool) -> int | None:
        if known:
            return None if self._known.is_bad(entry) else entry
        return self._known.find(base.entries.hash_at(entry))

    def _extent(self, block: int) -> Extent:
        block_bytes = self._reading.parameters.block_bytes
        start = block * block_bytes
        return Extent(start, min(block_bytes, self._reading.disk_bytes - start))

    def _read_unit(self, unit: Extent) -> None:
        """Read a unit, and store what of it is new side by side."""
        tools = self._tools
        with memoryview(tools.buffer) as whole, whole[: unit.length] as view:
            self._reading.source.read_into(unit.offset, view)
            new = list(self._new_blocks(unit, view))
            places = self._reading.packs.add([each.record for each in new])
        for each, at in zip(new, places, strict=True):
            self._known.stored(each.entry, at, each.record.kind, each.base)
        self._reading.tally.add(done=unit.length)

    def _new_blocks(self, unit: Extent, view: memoryview) -> Iterator[_NewBlock]:
        """Find the place of each block of a unit; yield those that are to be stored."""
        block_bytes = self._reading.parameters.block_bytes
        first = unit.offset // block_bytes - self._blocks.start
        for number, start in enumerate(range(0, unit.length, block_bytes), first):
            block = view[start : start + block_bytes]
            # Compared where it is: a slice of it would be a copy, and one by one takes long.
            if self._tools.buffer.startswith(self._zeros[: len(block)], start):
                self._compare(number, None)
                continue
            block_hash = self._reading.keys.block_hash(block)
            self._compare(number, block_hash)
            self.at[number], is_new = self._known.claim(block_hash)
            if is_new:
                yield self._encoded(number, block, block_hash)

    def _compare(self, number: int, block_hash: bytes | None) -> None:
        if number in self._expected and self._expected[number] != block_hash:
            with self._lock:
                self.changed_outside += 1

    def _encoded(self, number: int, block: memoryview, block_hash: bytes) -> _NewBlock:
        tools = self._tools
        entry, base = self._base_block(number, len(block)) or (None, None)
        codec, encoded = encode_block(block, tools.compressor, base, level=self._reading.level)
        if base is None or codec != DELTA:
            kind, entry = RecordKind(codec, len(block), block_hash), None
        else:
            kind = RecordKind(codec, len(block), block_hash, base.block_hash)
        if encoded is not block:
            # Where the block was, which nobody needs any more: a unit's frames take no memory.
            block[: len(encoded)] = encoded
        record = NewRecord(self._blocks.start + number, kind, block[: len(encoded)])
        return _NewBlock(self.at[number], record, entry)

    def _base_block(self, number: int, length: int) -> tuple[int, BaseBlock] | None:
        """Return the newest manifest's entry at a block, and its bytes from the predecessor.

        Only where that shows what the record holds: its bytes are never taken on trust.
        """
        newest, predecessor = self._newest, self._reading.predecessor
        if newest is None or predecessor is None or number >= newest.blocks:
            return None
        entry, offset = newest.at[number], self._extent(self._blocks.start + number).offset
        if entry == ZERO or not self._known.is_whole(entry):
            return None
        if min(self._reading.parameters.block_bytes, self._newest_bytes - offset) != length:
            return None
        content = bytearray(length)
        predecessor.read_into(offset, memoryview(content))
        block = BaseBlock(bytes(content), self._reading.keys.block_hash(content))
        return (entry, block) if block.block_hash == self._known.hash_at(entry) else None


def _units(extents: Iterable[Extent], unit_bytes: int) -> Iterator[Extent]:
    """Yield *extents* cut where the disk's units meet."""
    for each in extents:
        start = each.offset
        while start < each.end:
            end = min(each.end, (start // unit_bytes + 1) * unit_bytes)
            yield Extent(start, end - start)
            start = end


def by_shard(extents: Extents, shard_bytes: int) -> Iterator[tuple[int, Extents]]:
    """Yield the shards that *extents* touch, in order, each with its part of them."""
    for shard in range(-(-extents.end // shard_bytes)):
        mine = extents.cut(shard * shard_bytes, shard_bytes)
        if mine:
            yield shard, mine
