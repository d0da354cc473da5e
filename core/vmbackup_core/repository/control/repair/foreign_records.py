"""Lost blocks in another repository that a user gives: found by content, by our own hash of it.

Nothing of the other one is kept but where its records lie, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.chains.chain_header import reading_keys
from vmbackup_core.repository.control.chains.chain_said import open_header
from vmbackup_core.repository.control.check.hurt import LostBlock
from vmbackup_core.repository.control.commits.prune_listing import list_chains
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.repair.lost_blocks import (
    LOST,
    BlockKey,
    BlockSource,
    RecordAt,
    find_footer,
    open_at,
    packs_of,
    read_at,
    records_of,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.pack_reader import joined
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import ChainUnclear
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.transfer import UNIT_BYTES
from vmbackup_core.stores.port import Store


@dataclass(frozen=True, slots=True)
class OtherRepository:
    """A repository that is only read: its control and data, and what its log says.

    *on_pack* hears of each pack that is looked into.
    """

    control: Control
    data: Store
    state: LogState
    on_pack: Callable[[], None]

    def chains(self, disk_unique_id: str) -> list[ChainKeys]:
        """Return what reads each of its chains, those of this disk first."""
        keys = {chain: self._keys_of(chain) for chain in list_chains(self._places)}
        ordered = sorted(keys, key=lambda chain: not self._is_of(chain, disk_unique_id))
        return [found for chain in ordered if (found := keys[chain]) is not None]

    @property
    def _places(self) -> Places:
        return Places(self.data, self.control.store)

    def _keys_of(self, chain: ChainId) -> ChainKeys | None:
        """Return the chain's keys; None where nothing says in which epoch it was begun."""
        try:
            return reading_keys(self.control, self.data, chain, self.state)
        except (ChainUnclear, *LOST):
            return None

    def _is_of(self, chain: ChainId, disk_unique_id: str) -> bool:
        try:
            found = open_header(self.control, chain).disk_unique_id
        except LOST:
            return False
        return found.encode().lower() == disk_unique_id.encode().lower()


@dataclass
class ForeignRecords(BlockSource):
    """Where in another repository the wanted blocks lie; read again as they are asked for."""

    other: OtherRepository
    keys: ChainKeys
    _records: dict[BlockKey, tuple[ChainKeys, RecordAt]] = field(default_factory=dict)

    @staticmethod
    def load(
        other: OtherRepository, keys: ChainKeys, wanted: frozenset[BlockKey], disk_unique_id: str
    ) -> ForeignRecords:
        """Look for *wanted* blocks of the chain of *keys* until all are found, or all was read.

        Where the other one is a copy of this repository its footers say which records to read.
        """
        found = ForeignRecords(other, keys)
        for theirs in other.chains(disk_unique_id) if wanted else ():
            for pack in packs_of(other.data, theirs.chain):
                found._look(theirs, pack, wanted)
                if len(found._records) == len(wanted):
                    return found
        return found

    @override
    def find(self, lost: LostBlock) -> bytes | None:
        known = self._records.get((lost.block_hash, lost.block_bytes))
        if known is None:
            return None
        try:
            return read_at(self.other.data, *known)
        except LOST:
            return None

    def _look(self, theirs: ChainKeys, pack: PackId, wanted: frozenset[BlockKey]) -> None:
        self.other.on_pack()
        footer = find_footer(self.other.data, theirs, pack)
        if footer is None:
            return
        records = list(records_of(pack, footer))
        if theirs.block_hash(b"") == self.keys.block_hash(b""):
            records = [each for each in records if each.key in wanted]
        else:
            lengths = {length for _, length in wanted}
            records = [each for each in records if each.kind.block_bytes in lengths]
        for record, content in self._read(theirs, pack, records):
            key = self.keys.block_hash(content), len(content)
            if key in wanted:
                self._records.setdefault(key, (theirs, record))

    def _read(
        self, theirs: ChainKeys, pack: PackId, records: list[RecordAt]
    ) -> Iterator[tuple[RecordAt, bytes]]:
        """Yield the records that open, read as they lie side by side."""
        places = [(each.offset, each.length) for each in records]
        for start, length, which in joined(places, most_bytes=UNIT_BYTES):
            name = pack_name(theirs.chain, pack)
            try:
                stored = memoryview(self.other.data.get_range(name, start, length))
            except LOST:
                continue
            for record in (records[each] for each in which):
                at = record.offset - start
                try:
                    yield record, open_at(theirs, record, stored[at : at + record.length])
                except CorruptRepository:
                    continue
