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
class _Found:
    """A block that is to be stored: its number in the shard, and its entry."""

    number: int
    entry: int
    block: memoryview
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class _NewBlock:
    """A block that is to be stored, and its entry; *base* is the one that it is a delta after."""

    entry: int
    record: NewRecord
    base: int | None


#: The newest manifest's entry of the block before, and that block.
_Base = tuple[int, BaseBlock]


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
            found = list(self._new_blocks(unit, view))
            bases = self._bases(found)
            new = [self._encoded(each, bases.get(each.number)) for each in found]
            places = self._reading.packs.add([each.record for each in new])
        for each, at in zip(new, places, strict=True):
            self._known.stored(each.entry, at, each.record.kind, each.base)
        self._reading.tally.add(done=unit.length)

    def _new_blocks(self, unit: Extent, view: memoryview) -> Iterator[_Found]:
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
                yield _Found(number, self.at[number], block, block_hash)

    def _compare(self, number: int, block_hash: bytes | None) -> None:
        if number in self._expected and self._expected[number] != block_hash:
            with self._lock:
                self.changed_outside += 1

    def _encoded(self, found: _Found, base: _Base | None) -> _NewBlock:
        tools, block = self._tools, found.block
        entry, before = base or (None, None)
        codec, encoded = encode_block(block, tools.compressor, before, level=self._reading.level)
        if before is None or codec != DELTA:
            kind, entry = RecordKind(codec, len(block), found.block_hash), None
        else:
            kind = RecordKind(codec, len(block), found.block_hash, before.block_hash)
        if encoded is not block:
            # Where the block was, which nobody needs any more: a unit's frames take no memory.
            block[: len(encoded)] = encoded
        record = NewRecord(self._blocks.start + found.number, kind, block[: len(encoded)])
        return _NewBlock(found.entry, record, entry)

    def _bases(self, found: Iterable[_Found]) -> dict[int, _Base]:
        """Return, by its number, what a delta of a block may be made after: from the predecessor.

        Only where that shows what the record holds: its bytes are never taken on trust. Blocks
        beside each other are asked for at once, since an export bears so many requests a second.
        """
        predecessor, bases = self._reading.predecessor, dict[int, _Base]()
        if predecessor is None:
            return bases
        entries = ((each, self._base_entry(each)) for each in found)
        wanted = [(each, entry) for each, entry in entries if entry is not None]
        for run in _side_by_side(wanted):
            content = memoryview(bytearray(sum(len(each.block) for each, _ in run)))
            first = self._blocks.start + run[0][0].number
            predecessor.read_into(self._extent(first).offset, content)
            for each, entry in run:
                before, content = bytes(content[: len(each.block)]), content[len(each.block) :]
                block_hash = self._reading.keys.block_hash(before)
                if block_hash == self._known.hash_at(entry):
                    base = BaseBlock(before, block_hash, self._known.encoded_bytes(entry))
                    bases[each.number] = entry, base
        return bases

    def _base_entry(self, found: _Found) -> int | None:
        """Return the newest manifest's entry at a block, where a delta may be made after it."""
        newest = self._newest
        if newest is None or found.number >= newest.blocks:
            return None
        entry = newest.at[found.number]
        if entry == ZERO or not self._known.is_whole(entry):
            return None
        offset = self._extent(self._blocks.start + found.number).offset
        length = min(self._reading.parameters.block_bytes, self._newest_bytes - offset)
        return entry if length == len(found.block) else None


def _side_by_side(wanted: Iterable[tuple[_Found, int]]) -> Iterator[list[tuple[_Found, int]]]:
    """Yield blocks that follow each other on the disk together."""
    run: list[tuple[_Found, int]] = []
    for each in wanted:
        if run and each[0].number != run[-1][0].number + 1:
            yield run
            run = []
        run.append(each)
    if run:
        yield run


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
