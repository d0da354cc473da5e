"""Reading a pack back whole: whether its foot opens, and which of its records are lost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.footer import Footer
from vmbackup_core.repository.data.pack_reader import (
    foot_behind,
    joined,
    read_footer,
    read_tail,
)
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.records import authenticate_record, open_record
from vmbackup_core.repository.data.sections import FIRST_RECORD_AT
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import NotStored

#: What is read at once; several threads read packs side by side.
PIECE_BYTES: Final = 8 * 1024 * 1024

#: What of a pack is lost; None stands for nothing.
Lost = Literal["missing", "resized", "damaged"]


@dataclass(frozen=True, slots=True)
class PackReadBack:
    """What reading a pack back has shown.

    *offsets* are those of the records that are damaged, where the others are whole. *deltas* were
    found authentic, and are decoded only beside their bases. *read_bytes* is the size of a pack
    that was read to its end.
    """

    pack: PackId
    lost: Lost | None = None
    offsets: tuple[int, ...] = ()
    records: int = 0
    deltas: int = 0
    read_bytes: int = 0


def read_pack(
    store: DataSource,
    keys: ChainKeys,
    pack: PackId,
    size_bytes: int | None,
    *,
    piece_bytes: int = PIECE_BYTES,
) -> PackReadBack:
    """Return what is lost of *pack*, which tables name with this size; it is read in pieces.

    A worker does not know the size: the operator compares that with the listing itself. The
    operator reads, too, before it says that anything is bad.
    """
    name = pack_name(keys.chain, pack)
    try:
        first = store.get_range(name, 0, piece_bytes)
        is_whole = len(first) < piece_bytes
        tail, size = (first, len(first)) if is_whole else read_tail(store, name, size_bytes)
        if size_bytes is not None and size != size_bytes:
            return PackReadBack(pack, "resized")
        footer, _ = foot_behind(store, keys, pack, first[:FIRST_RECORD_AT], tail, size)
        records = _Records(keys, name, footer)
        here = bisect_right(records.places, len(first), key=sum)
        offsets = records.damaged(0, memoryview(first), range(here))
        del first, tail  # each thread has one piece in memory
        for start, length, which in joined(records.places[here:], most_bytes=piece_bytes):
            offsets += records.damaged_of(store, start, length, [here + each for each in which])
    except NotStored:
        return PackReadBack(pack, "missing")
    except CorruptRepository:
        return PackReadBack(pack, "damaged")
    lost: Lost | None = "damaged" if offsets else None
    deltas = footer.records.codecs.count(DELTA)
    return PackReadBack(pack, lost, tuple(offsets), len(footer.records), deltas, size)


def read_told(
    store: DataSource, keys: ChainKeys, pack: PackId, size_bytes: int, told: Sequence[int]
) -> PackReadBack:
    """Return what is lost of *pack*, of which somebody says that the records at *told* are.

    It is little that is read where that is not so: the foot and the first of them. Only where that
    one is damaged are the others read; what is told of no record is not looked at.
    """
    try:
        footer, size = read_footer(store, keys, pack, size_bytes)
        if size != size_bytes:
            return PackReadBack(pack, "resized")
        lost = tuple(_lost_of(store, keys, pack, footer, told))
    except NotStored:
        return PackReadBack(pack, "missing")
    except CorruptRepository:
        return PackReadBack(pack, "damaged")
    return PackReadBack(pack, "damaged" if lost else None, lost)


def _lost_of(
    store: DataSource, keys: ChainKeys, pack: PackId, footer: Footer, told: Sequence[int]
) -> Iterator[int]:
    records = _Records(keys, pack_name(keys.chain, pack), footer)
    for told_at in told:
        record = bisect_left(records.places, (told_at,))
        if record == len(records.places) or records.places[record][0] != told_at:
            return
        if records.damaged_of(store, *records.places[record], [record]):
            yield told_at
        elif told_at == told[0]:
            return


class _Records:
    """The records of a pack, as its footer has them."""

    def __init__(self, keys: ChainKeys, name: str, footer: Footer) -> None:
        self.name = name
        offsets = footer.records.offsets()
        self.places = list(zip(offsets, footer.records.lengths, strict=False))
        self._keys = keys
        self._footer = footer
        self._kinds = footer.records.kinds()
        self._ciphers: dict[int, AESGCM] = {}

    def damaged_of(
        self, store: DataSource, start: int, length: int, records: Iterable[int]
    ) -> list[int]:
        """Return the offsets of those *records* that are damaged; read so many bytes of them."""
        return self.damaged(start, memoryview(store.get_range(self.name, start, length)), records)

    def damaged(self, start: int, stored: memoryview, records: Iterable[int]) -> list[int]:
        """Return the offsets of those *records* that are damaged; *stored* begins at *start*."""
        found = []
        for record in records:
            offset, length = self.places[record]
            at = offset - start
            if not self._is_whole(record, stored[at : at + length]):
                found.append(offset)
        return found

    def _is_whole(self, record: int, stored: memoryview) -> bool:
        try:
            self._check(record, stored)
        except CorruptRepository:
            return False
        return True

    def _check(self, record: int, stored: memoryview) -> None:
        kind, number = self._kinds[record], self._footer.records.numbers[record]
        cipher = self._cipher(self._footer.records.origins[record])
        if kind.codec == DELTA:
            authenticate_record(self.name, cipher, number, kind, stored)
            return
        block = open_record(self.name, cipher, number, kind, stored)
        if self._keys.block_hash(block) != kind.block_hash:
            raise CorruptRepository(f"{self.name}: record {number} holds another block")

    def _cipher(self, row: int) -> AESGCM:
        """Return the cipher of the records of an origin."""
        if row not in self._ciphers:
            origin = self._footer.origins[row]
            self._ciphers[row] = self._keys.pack_cipher(origin.pack, origin.run, origin.epoch)
        return self._ciphers[row]
