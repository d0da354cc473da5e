"""What damage costs: which bytes of which disk cannot be restored, and whose recovery points.

Only where something of a chain was found, its manifests are gone through again. Whatever may be
lost is tried as a restore would: so what is named is what a restore would miss, and no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent, merged, total_bytes
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.check.chains import Left
from vmbackup_core.repository.control.check.entries import Block, blocks_of
from vmbackup_core.repository.control.check.indexes import LineKey, key_of, parts_of
from vmbackup_core.repository.control.check.observations import Fault, Observations
from vmbackup_core.repository.control.check.report import Finding, Hurt
from vmbackup_core.repository.data.block_reader import BlockReader, Healed, Place, Wanted
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest, ShardLine
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore_windows import wanted_of
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.primitives.parsed_names import IndexName, PackName, parse_data
from vmbackup_core.stores.port import UNREADABLE_NOW

#: More are counted, and not listed one by one.
EXTENTS_MOST: Final = 1000

#: What ends the reading of one block, and of no other.
_LOST = (CorruptRepository, NotUnderstood, *UNREADABLE_NOW)


@dataclass(frozen=True, slots=True)
class LostBlock:
    """A block that a manifest needs and that no restore brings; *number* is its place on the disk.

    *pack* is the holder of its record.
    """

    block_hash: bytes
    block_bytes: int
    number: int
    pack: PackId


def _forget(_lost: LostBlock) -> None:
    return


@dataclass
class _Costs:
    """What a shard, or a whole manifest, loses by each object; what is healed is no loss."""

    lost: defaultdict[str, list[Extent]] = field(default_factory=lambda: defaultdict(list))
    healed: set[str] = field(default_factory=set)


@dataclass
class HurtSearch:
    """Looks for the faults of one chain behind its manifests; reads a shard once.

    *on_lost* hears of each block that is lost with its record.
    """

    store: DataSource
    seen: Observations
    on_lost: Callable[[LostBlock], None] = _forget
    packs: dict[PackId, Fault] = field(default_factory=dict)
    indexes: dict[str, Fault] = field(default_factory=dict)
    _shards: dict[LineKey, _Costs] = field(default_factory=dict)
    _hurt: defaultdict[str, dict[tuple[str, tuple[Extent, ...], int], set[RunId]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _healed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for (place, name), fault in self.seen.faults.items():
            named = parse_data(name) if place == "data" else None
            if isinstance(named, PackName):
                self.packs[named.pack] = fault
            elif isinstance(named, IndexName):
                self.indexes[name] = fault

    @property
    def needs_manifests(self) -> bool:
        """Whether any fault may be behind a manifest."""
        return bool(self.packs or self.indexes)

    def whole_disk(self, left: Left) -> None:
        """Blame a manifest that does not open for all of the disk."""
        for use in left.uses:
            if use.disk is not None and use.disk.size_bytes:
                every = (Extent(0, use.disk.size_bytes),)
                self._blame(left.name, use.disk.name, every, {use.run})

    def look(self, left: Left, manifest: Manifest, keys: ChainKeys, healed: Healed) -> None:
        """Find what a manifest that opens has lost."""
        costs = _Costs()
        index = IndexReader(self.store, keys, manifest)
        tries = _Tries(self, keys, manifest, index, healed)
        for line in manifest.lines:
            key = key_of(manifest, line)
            if key not in self._shards:
                self._shards[key] = tries.shard(line)
            for name, extents in self._shards[key].lost.items():
                costs.lost[name] += extents
            costs.healed |= self._shards[key].healed
        self._healed |= costs.healed
        for name, extents in costs.lost.items():
            self._blame(name, manifest.said.disk.name, tuple(merged(extents)), left.runs)

    def findings(self, chain: ChainId) -> Iterator[tuple[Finding, bool]]:
        """Yield what was found of a chain's objects, and whether all that it cost was healed."""
        for fault in self.seen.faults.values():
            hurt = tuple(_hurts(chain, self._hurt.get(fault.object, {})))
            is_healed = not hurt and fault.object in self._healed
            if fault.suspected and not hurt and not is_healed:
                continue
            yield replace(fault.finding(), hurt=hurt), is_healed

    def _blame(self, name: str, disk: str, extents: tuple[Extent, ...], runs: set[RunId]) -> None:
        key = disk, extents[:EXTENTS_MOST], total_bytes(extents)
        self._hurt[name].setdefault(key, set()).update(runs)


@dataclass
class _Tries:
    """Tries the doubtful blocks of one manifest."""

    search: HurtSearch
    keys: ChainKeys
    manifest: Manifest
    index: IndexReader
    healed: Healed

    def shard(self, line: ShardLine) -> _Costs:
        """Return what a shard has lost."""
        costs = _Costs()
        doubtful = self._doubtful_parts(line)
        try:
            if not doubtful and not any(
                row.holder in self.search.packs for row in self.index.rows(line)
            ):
                return costs
            view = self.index.shard(line)
        except _LOST:
            for name in doubtful or {name for name, _ in self._parts(line)}:
                costs.lost[name].append(self.manifest.said.shard_extent(line.shard))
            return costs
        self._try_blocks(view, costs)
        return costs

    def _parts(self, line: ShardLine) -> Iterator[tuple[str, int]]:
        return parts_of(self.keys.chain, self.manifest, line)

    def _doubtful_parts(self, line: ShardLine) -> set[str]:
        faults = self.search.indexes
        return {
            name
            for name, offset in self._parts(line)
            if name in faults and (faults[name].whole or offset in faults[name].parts)
        }

    def _try_blocks(self, view: ShardView[PackRow], costs: _Costs) -> None:
        bases = view.entries.bases_before()
        doubtful = [self.search.packs.get(row.holder) for row in view.rows]
        if not any(doubtful):
            return
        reader = BlockReader(self.search.store, self.keys, NothingHealed())
        tried: dict[tuple[int, int], frozenset[str]] = {}
        for block in blocks_of(self.manifest.said, view):
            wanted = wanted_of(view, block.entry, bases[block.entry], block.extent.length)
            names = self._doubtful_packs(wanted)
            if not names:
                continue
            key = block.entry, block.extent.length
            if key not in tried:
                tried[key] = frozenset(self._try(reader, wanted, names, costs))
                if tried[key]:
                    self._tell(wanted, block)
            self._take_in(block, tried[key], costs)

    def _doubtful_packs(self, wanted: Wanted) -> list[str]:
        places: Sequence[Place] = (wanted.place,)
        if wanted.base is not None:
            places = (wanted.base.place, wanted.place)
        return [
            pack_name(self.keys.chain, place.row.holder)
            for place in places
            if _is_doubtful(self.search.packs.get(place.row.holder), place.offset)
        ]

    def _try(
        self, reader: BlockReader, wanted: Wanted, names: list[str], costs: _Costs
    ) -> list[str]:
        """Return the objects by which a block is lost; none where it is whole, or healed."""
        try:
            reader.read_block(wanted)
        except _LOST:
            kind = wanted.kind
            if self.healed.find(kind.block_hash, kind.block_bytes) is None:
                return names
            costs.healed |= set(names)
        return []

    def _tell(self, wanted: Wanted, block: Block) -> None:
        kind, number = wanted.kind, block.extent.offset // self.manifest.said.block_bytes
        holder = wanted.place.row.holder
        self.search.on_lost(LostBlock(kind.block_hash, kind.block_bytes, number, holder))

    def _take_in(self, block: Block, names: frozenset[str], costs: _Costs) -> None:
        for name in names:
            costs.lost[name].append(block.extent)


def _is_doubtful(fault: Fault | None, offset: int) -> bool:
    return fault is not None and (fault.whole or offset in fault.parts)


def _hurts(
    chain: ChainId, found: dict[tuple[str, tuple[Extent, ...], int], set[RunId]]
) -> Iterator[Hurt]:
    for (disk, extents, lost), runs in found.items():
        yield Hurt(chain, disk, extents, lost, tuple(sorted(runs)))
