"""Where blocks that are lost with their records may still be, found by hash and length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.check.hurt import LostBlock
from vmbackup_core.repository.data.footer import Footer
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.records import RecordKind, open_record
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name, prefix_of_folder, prefix_of_healing
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store

#: Hash and length: what tells a block from any other.
BlockKey = tuple[bytes, int]

#: What ends the reading of one pack, and of no other.
_LOST = (CorruptRepository, NotUnderstood, NotStored, *UNREADABLE_NOW)


class BlockSource(Protocol):
    """Where a lost block may still be."""

    def find(self, lost: LostBlock) -> bytes | None:
        """Return bytes that may be the block's, which the caller compares; None where not here."""


@dataclass(frozen=True, slots=True)
class SnapshotBlocks(BlockSource):
    """The retained snapshot of the disk: a block that has not changed since lies at its place."""

    disk: DiskSource
    disk_bytes: int
    block_bytes: int

    @override
    def find(self, lost: LostBlock) -> bytes | None:
        offset = lost.number * self.block_bytes
        if offset + lost.block_bytes > self.disk_bytes:
            return None
        content = bytearray(lost.block_bytes)
        self.disk.read_into(offset, memoryview(content))
        return bytes(content)


@dataclass(frozen=True, slots=True)
class _Record:
    """A record that says that it holds the block."""

    pack: PackId
    offset: int
    length: int
    number: int
    kind: RecordKind
    footer: Footer
    origin: int


@dataclass
class ChainRecords(BlockSource):
    """Other records of the chain, of packs that nothing needs included."""

    data: Store
    keys: ChainKeys
    _records: dict[BlockKey, list[_Record]] = field(default_factory=dict)

    @staticmethod
    def load(data: Store, keys: ChainKeys, wanted: frozenset[BlockKey]) -> ChainRecords:
        """Return the records of *wanted* blocks, by the feet of all packs that can be read."""
        found = ChainRecords(data, keys)
        chain = keys.chain
        for prefix in (prefix_of_folder(chain, "p"), prefix_of_healing(chain)):
            for each in data.list(prefix):
                named = parse_data(each.name)
                if isinstance(named, PackName):
                    found._look(named.pack, wanted)
        return found

    @override
    def find(self, lost: LostBlock) -> bytes | None:
        for record in self._records.get((lost.block_hash, lost.block_bytes), ()):
            try:
                block = self._read(record)
            except _LOST:
                continue
            if self.keys.block_hash(block) == lost.block_hash:
                return block
        return None

    def _look(self, pack: PackId, wanted: frozenset[BlockKey]) -> None:
        try:
            footer, _ = read_footer(self.data, self.keys, pack)
        except _LOST:
            return
        records, offsets = footer.records, footer.records.offsets()
        for at, kind in enumerate(records.kinds()):
            key = kind.block_hash, kind.block_bytes
            if key in wanted and kind.codec != DELTA:
                found = _Record(
                    pack,
                    offsets[at],
                    records.lengths[at],
                    records.numbers[at],
                    kind,
                    footer,
                    records.origins[at],
                )
                self._records.setdefault(key, []).append(found)

    def _read(self, record: _Record) -> bytes:
        name = pack_name(self.keys.chain, record.pack)
        stored = self.data.get_range(name, record.offset, record.length)
        origin = record.footer.origins[record.origin]
        cipher = self.keys.pack_cipher(origin.pack, origin.run, origin.epoch)
        return open_record(name, cipher, record.number, record.kind, stored)


@dataclass(frozen=True, slots=True)
class ForeignBlocks(BlockSource):
    """Blocks from elsewhere, found by their content: of another repository, or of any disk."""

    blocks: Mapping[BlockKey, bytes]

    @staticmethod
    def load(
        contents: Iterable[bytes], keys: ChainKeys, wanted: frozenset[BlockKey]
    ) -> ForeignBlocks:
        """Return those of *contents* that are wanted: hashed with the hash key of this chain."""
        lengths = {length for _, length in wanted}
        found: dict[BlockKey, bytes] = {}
        for content in contents:
            if len(content) in lengths:
                key = keys.block_hash(content), len(content)
                if key in wanted:
                    found[key] = content
        return ForeignBlocks(found)

    @override
    def find(self, lost: LostBlock) -> bytes | None:
        return self.blocks.get((lost.block_hash, lost.block_bytes))
