"""Entries of sections against the feet of their packs; what is odd is read by itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.check.archived import ArchivedPacks
from vmbackup_core.repository.control.check.observations import Fault, Observations
from vmbackup_core.repository.control.check.report import What
from vmbackup_core.repository.data.block_reader import BlockReader, Wanted
from vmbackup_core.repository.data.entry_proof import Feet
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.data.shard_view import ShardView, StoredBase
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.data.window_reader import Lost, WindowReader
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import UNREADABLE_NOW

#: Of how many bases it is kept what was looked at: one byte for each entry.
_BASES: Final = 512

#: Of how many deltas it is kept that they were read: patches have them again from point to point.
_READ: Final = 65_536

#: What tells a base, as a disk of some length has it, from another.
_BaseKey = tuple[bytes, int]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a shard: its entry, and where on the disk it is."""

    entry: int
    extent: Extent


@dataclass
class EntryCheck:
    """Compares each entry with what the pack's foot says of the record that lies there.

    Of *archived* packs nothing is read. The records themselves are read pack by pack. Deltas, which
    are proven beside their bases only, and records of which the foot says something else, are read
    here, as a restore reads them.
    """

    store: DataSource
    keys: ChainKeys
    seen: Observations
    threads: int
    archived: ArchivedPacks
    _feet: Feet = field(init=False)
    _read: set[Wanted] = field(default_factory=set)
    _looked: OrderedDict[_BaseKey, bytearray] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._feet = Feet(self.store, self.keys, self.archived.__contains__)

    def look(self, said: ManifestSaid, view: ShardView[PackRow], base: StoredBase) -> None:
        """Look at every block of a shard, pack by pack; what its *base* says of each once only.

        Points that follow each other have most of their blocks from the same bases.
        """
        looked = self._looked_at(said, base)

        def is_looked_at(entry: int) -> bool:
            return entry < len(looked) and bool(looked[entry])

        found = self._feet.odd(said, view, lambda entry: not is_looked_at(entry), self.threads)
        odd = {block: wanted for block, (wanted, _) in found.items() if wanted not in self._read}
        reader = BlockReader(self.store, self.keys, NothingHealed())
        WindowReader(reader, said, self.threads).prove(view, odd, self._say)
        if len(self._read) > _READ:
            self._read.clear()
        self._read.update(odd.values())
        for _, entry in view.places():
            if entry < len(looked):
                looked[entry] = 1

    def _looked_at(self, said: ManifestSaid, base: StoredBase) -> bytearray:
        """Return which entries of a base were looked at, for a disk of this length."""
        key = base.sha256, said.disk_bytes
        looked = self._looked.setdefault(key, bytearray(len(base.view.entries)))
        self._looked.move_to_end(key)
        if len(self._looked) > _BASES:
            self._looked.popitem(last=False)
        return looked

    def _say(self, _extent: Extent, wanted: Wanted, error: Lost) -> None:
        place = wanted.place
        name = pack_name(self.keys.chain, place.row.holder)
        if isinstance(error, CorruptRepository):
            found = str(error).removeprefix(f"{name}: ")
            fault = Fault(name, "data", "damaged", found, parts={place.offset})
            fault.size_bytes = place.row.size_bytes
        else:
            what: What = "unreadable" if isinstance(error, UNREADABLE_NOW) else "notUnderstood"
            fault = Fault(name, "data", what, str(error), parts={place.offset})
        self.seen.fault(fault)


def blocks_of(said: ManifestSaid, view: ShardView[PackRow]) -> Iterator[Block]:
    """Yield the blocks of a shard that are not zero."""
    for number, entry in view.places():
        yield Block(entry, said.block_extent(view.shard, number))
