"""Entries of sections against the feet of their packs; what is odd is read by itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.check.observations import Fault, Observations
from vmbackup_core.repository.data.block_reader import BlockReader, Wanted
from vmbackup_core.repository.data.footer import Footer
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore import wanted_of
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored

#: Sections name packs nearly in order, so that few feet serve for many entries.
FEET_AT_HAND: Final = 32

#: What a foot says of a record: whose it is, its number, length and codec, the block's hash and
#: length.
_Said = tuple[PackId, int, int, int, bytes, int]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a shard: its entry, and where on the disk it is."""

    entry: int
    extent: Extent


@dataclass
class EntryCheck:
    """Compares each entry with what the pack's foot says of the record that lies there.

    The records themselves are read pack by pack. Deltas, which are proven beside their bases only,
    and records of which the foot says something else, are read here.
    """

    store: DataSource
    keys: ChainKeys
    seen: Observations
    _feet: OrderedDict[PackId, dict[int, _Said]] = field(default_factory=OrderedDict)

    def look(self, said: ManifestSaid, view: ShardView[PackRow]) -> None:
        """Look at every block of a shard."""
        reader = BlockReader(self.store, self.keys, NothingHealed())
        bases = view.entries.bases_before()
        for block in blocks_of(said, view):
            wanted = wanted_of(view, block.entry, bases[block.entry], block.extent.length)
            if not self._is_as_said(wanted):
                self._read(reader, wanted)

    def _is_as_said(self, wanted: Wanted) -> bool:
        place, kind = wanted.place, wanted.kind
        if kind.codec == DELTA:
            return False
        said = self._foot(place.row.holder).get(place.offset)
        return said == (
            place.row.origin,
            place.number,
            place.length,
            kind.codec,
            kind.block_hash,
            kind.block_bytes,
        )

    def _read(self, reader: BlockReader, wanted: Wanted) -> None:
        place = wanted.place
        name = pack_name(self.keys.chain, place.row.holder)
        try:
            reader.read_block(wanted)
        except CorruptRepository as error:
            what = str(error).removeprefix(f"{name}: ")
            fault = Fault(name, "data", "damaged", what, parts={place.offset})
            fault.size_bytes = place.row.size_bytes
            self.seen.fault(fault)
        except NotUnderstood as error:
            self.seen.fault(Fault(name, "data", "notUnderstood", str(error), parts={place.offset}))

    def _foot(self, pack: PackId) -> dict[int, _Said]:
        """Return what the foot says of the record at each offset; nothing where it is lost."""
        if pack in self._feet:
            self._feet.move_to_end(pack)
            return self._feet[pack]
        try:
            found = dict(_records(read_footer(self.store, self.keys, pack)[0]))
        except (CorruptRepository, NotUnderstood, NotStored, *UNREADABLE_NOW):
            found = {}  # said of the pack
        self._feet[pack] = found
        if len(self._feet) > FEET_AT_HAND:
            self._feet.popitem(last=False)
        return found


def blocks_of(said: ManifestSaid, view: ShardView[PackRow]) -> Iterator[Block]:
    """Yield the blocks of a shard that are not zero."""
    start = view.shard * said.shard_bytes
    for number, entry in enumerate(view.at):
        if entry != ZERO:
            offset = start + number * said.block_bytes
            length = min(said.block_bytes, said.disk_bytes - offset)
            yield Block(entry, Extent(offset, length))


def _records(footer: Footer) -> Iterator[tuple[int, _Said]]:
    records = footer.records
    for record, (kind, offset) in enumerate(zip(records.kinds(), records.offsets(), strict=False)):
        origin = footer.origins[records.origins[record]].pack
        number, length = records.numbers[record], records.lengths[record]
        yield (
            offset,
            (origin, number, length, kind.codec, kind.block_hash, kind.block_bytes),
        )
