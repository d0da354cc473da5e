"""Healing packs: blocks stored again under ids of their own, and found by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.data.block_reader import Healed
from vmbackup_core.repository.data.footer import HEALING, Footer
from vmbackup_core.repository.data.pack_reader import read_foot_of
from vmbackup_core.repository.data.pack_writer import NewRecord, PackWriter
from vmbackup_core.repository.data.ports import DataSource, DataTarget
from vmbackup_core.repository.data.records import (
    RecordKind,
    encode_block,
    new_compressor,
    open_record,
)
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import NotStored


@dataclass(frozen=True, slots=True)
class HealingPack:
    """A healing pack that the log has as done."""

    session: WritingSession
    number: int
    size_bytes: int
    foot_sha256: bytes

    @property
    def pack(self) -> PackId:
        """Its id; healing packs are of no slot."""
        return PackId(HEALING_SLOT, self.session, self.number)


@dataclass(frozen=True, slots=True)
class _At:
    """Where a healed block lies."""

    pack: PackId
    run: RunId
    epoch: int
    number: int
    offset: int
    length: int
    kind: RecordKind


class NothingHealed(Healed):
    """Where the log has no healing pack."""

    @override
    def find(self, block_hash: bytes, block_bytes: int) -> bytes | None:
        return None


class HealingIndex(Healed):
    """The healed blocks of a chain; only what was lost once is here, so they are few."""

    def __init__(self, store: DataSource, keys: ChainKeys) -> None:
        self._store = store
        self._keys = keys
        self._places: dict[bytes, list[_At]] = {}

    @staticmethod
    def load(store: DataSource, keys: ChainKeys, packs: Iterable[HealingPack]) -> HealingIndex:
        """Return what lies in *packs*; one that is lost itself is passed over."""
        index = HealingIndex(store, keys)
        for each in packs:
            try:
                footer, foot, size = read_foot_of(store, keys, each.pack)
            except (CorruptRepository, NotUnderstood, NotStored):
                continue
            if (size, hashlib.sha256(foot).digest()) == (each.size_bytes, each.foot_sha256):
                index._add(each.pack, footer)
        return index

    @override
    def find(self, block_hash: bytes, block_bytes: int) -> bytes | None:
        for at in self._places.get(block_hash, ()):
            if at.kind.block_bytes == block_bytes:
                try:
                    return self._read(at)
                except (CorruptRepository, NotStored):
                    continue
        return None

    def _add(self, pack: PackId, footer: Footer) -> None:
        records, start = footer.records, footer.start
        if len(footer.origins) != 1 or footer.origins[0].pack != pack:
            return
        for record, (kind, offset) in enumerate(
            zip(records.kinds(), records.offsets(), strict=False)
        ):
            length = records.lengths[record]
            number = records.numbers[record]
            at = _At(pack, start.run, start.epoch, number, offset, length, kind)
            if kind.base_hash is None:
                self._places.setdefault(kind.block_hash, []).append(at)

    def _read(self, at: _At) -> bytes:
        name = pack_name(self._keys.chain, at.pack)
        stored = self._store.get_range(name, at.offset, at.length)
        cipher = self._keys.pack_cipher(at.pack, at.run, at.epoch)
        block = open_record(name, cipher, at.number, at.kind, stored)
        if self._keys.block_hash(block) != at.kind.block_hash:
            raise CorruptRepository(f"{name}: record {at.number} holds another block")
        return block


@dataclass(frozen=True, slots=True)
class BlockToHeal:
    """A block whose hash was compared, and its number where it was first seen."""

    number: int
    content: bytes


def write_healing(  # noqa: PLR0913 - where, as which run and session, how
    store: DataTarget,
    keys: ChainKeys,
    run: RunId,
    session: WritingSession,
    blocks: Iterable[BlockToHeal],
    *,
    pack_bytes: int,
    level: int,
) -> Sequence[int]:
    """Store *blocks* under the session that the log has as begun; return the sizes of its packs.

    Nothing is sealed again under an old id. The session is the operator's, so no other is drawn:
    AlreadyStored is raised where one of its names is taken by other bytes.
    """
    sizes: list[int] = []
    ids = WritingIds(HEALING_SLOT, run, keys.newest, lambda: session, most=1)
    packs = PackWriter(
        store,
        keys,
        ids,
        pack_bytes=pack_bytes,
        most=1,
        purpose=HEALING,
        on_stored=sizes.append,
    )
    compressor = new_compressor(level)
    for each in blocks:
        codec, encoded = encode_block(each.content, compressor)
        kind = RecordKind(codec, len(each.content), keys.block_hash(each.content))
        packs.add([NewRecord(each.number, kind, encoded)])
    packs.flush()
    return sizes
