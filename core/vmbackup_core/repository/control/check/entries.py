"""Entries of sections against the feet of their packs; what is odd is read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.check.observations import Fault, Observations
from vmbackup_core.repository.data.block_reader import BlockReader, Wanted
from vmbackup_core.repository.data.entry_proof import Feet
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore_windows import wanted_of
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import pack_name


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
    _feet: Feet = field(init=False)

    def __post_init__(self) -> None:
        self._feet = Feet(self.store, self.keys)

    def look(self, said: ManifestSaid, view: ShardView[PackRow]) -> None:
        """Look at every block of a shard."""
        reader = BlockReader(self.store, self.keys, NothingHealed())
        bases = view.entries.bases_before()
        for block in blocks_of(said, view):
            wanted = wanted_of(view, block.entry, bases[block.entry], block.extent.length)
            if self._feet.judge(wanted) != "right":
                self._read(reader, wanted)

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


def blocks_of(said: ManifestSaid, view: ShardView[PackRow]) -> Iterator[Block]:
    """Yield the blocks of a shard that are not zero."""
    start = view.shard * said.shard_bytes
    for number, entry in enumerate(view.at):
        if entry != ZERO:
            offset = start + number * said.block_bytes
            length = min(said.block_bytes, said.disk_bytes - offset)
            yield Block(entry, Extent(offset, length))
