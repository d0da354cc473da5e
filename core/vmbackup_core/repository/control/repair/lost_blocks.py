"""Where blocks that are lost with their records may still be, found by hash and length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check.hurt import LostBlock
from vmbackup_core.repository.data.footer import Footer, Origin
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
LOST = (CorruptRepository, NotUnderstood, NotStored, *UNREADABLE_NOW)


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
class RecordAt:
    """A record that its pack's footer says holds a block, and under which key it was sealed."""

    pack: PackId
    offset: int
    length: int
    number: int
    kind: RecordKind
    origin: Origin

    @property
    def key(self) -> BlockKey:
        """The block that it says."""
        return self.kind.block_hash, self.kind.block_bytes


def records_of(pack: PackId, footer: Footer) -> Iterator[RecordAt]:
    """Yield the records of *pack* in order that need no other one to be opened."""
    records, offsets = footer.records, footer.records.offsets()
    for at, kind in enumerate(records.kinds()):
        if kind.codec != DELTA:
            yield RecordAt(
                pack,
                offsets[at],
                records.lengths[at],
                records.numbers[at],
                kind,
                footer.origins[records.origins[at]],
            )


def packs_of(data: Store, chain: ChainId) -> Iterator[PackId]:
    """Yield every pack that lies in *chain*, whether anything needs it or not."""
    for prefix in (prefix_of_folder(chain, "p"), prefix_of_healing(chain)):
        for each in data.list(prefix):
            named = parse_data(each.name)
            if isinstance(named, PackName):
                yield named.pack


def find_footer(data: Store, keys: ChainKeys, pack: PackId) -> Footer | None:
    """Return what *pack* says of itself; None where it cannot be read."""
    try:
        return read_footer(data, keys, pack)[0]
    except LOST:
        return None


def open_at(keys: ChainKeys, record: RecordAt, stored: bytes | memoryview) -> bytes:
    """Return the block of a record whose bytes are *stored*; raise CorruptRepository."""
    origin = record.origin
    cipher = keys.pack_cipher(origin.pack, origin.run, origin.epoch)
    name = pack_name(keys.chain, record.pack)
    return open_record(name, cipher, record.number, record.kind, stored)


def read_at(data: Store, keys: ChainKeys, record: RecordAt) -> bytes:
    """Return the block of a record."""
    name = pack_name(keys.chain, record.pack)
    return open_at(keys, record, data.get_range(name, record.offset, record.length))


@dataclass
class ChainRecords(BlockSource):
    """Other records of the chain, of packs that nothing needs included."""

    data: Store
    keys: ChainKeys
    _records: dict[BlockKey, list[RecordAt]] = field(default_factory=dict)

    @staticmethod
    def load(data: Store, keys: ChainKeys, wanted: frozenset[BlockKey]) -> ChainRecords:
        """Return the records of *wanted* blocks, by the feet of all packs that can be read."""
        found = ChainRecords(data, keys)
        for pack in packs_of(data, keys.chain) if wanted else ():
            footer = find_footer(data, keys, pack)
            for record in records_of(pack, footer) if footer is not None else ():
                if record.key in wanted:
                    found._records.setdefault(record.key, []).append(record)
        return found

    @override
    def find(self, lost: LostBlock) -> bytes | None:
        for record in self._records.get((lost.block_hash, lost.block_bytes), ()):
            try:
                block = read_at(self.data, self.keys, record)
            except LOST:
                continue
            if self.keys.block_hash(block) == lost.block_hash:
                return block
        return None


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
