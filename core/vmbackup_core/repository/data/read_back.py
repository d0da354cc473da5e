"""Reading a pack back whole: whether its foot opens, and which of its records are lost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.footer import Footer
from vmbackup_core.repository.data.pack_reader import joined, read_footer
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.records import RecordKind, authenticate_record, open_record
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.transfer import UNIT_BYTES
from vmbackup_core.stores.port import NotStored

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
    store: DataSource, keys: ChainKeys, pack: PackId, size_bytes: int | None
) -> PackReadBack:
    """Return what is lost of *pack*, which tables name with this size; by 4 MiB at a time.

    A worker does not know the size: the operator compares that with the listing itself. The
    operator reads, too, before it says that anything is bad.
    """
    try:
        footer, size = read_footer(store, keys, pack)
        if size_bytes is not None and size != size_bytes:
            return PackReadBack(pack, "resized")
        offsets = tuple(_damaged(store, keys, pack, footer))
    except NotStored:
        return PackReadBack(pack, "missing")
    except CorruptRepository:
        return PackReadBack(pack, "damaged")
    records = footer.records
    lost: Lost | None = "damaged" if offsets else None
    return PackReadBack(pack, lost, offsets, len(records), records.codecs.count(DELTA), size)


def read_told(
    store: DataSource, keys: ChainKeys, pack: PackId, size_bytes: int, told: Sequence[int]
) -> PackReadBack:
    """Return what is lost of *pack*, of which somebody says that the records at *told* are.

    It is little that is read where that is not so: the foot and the first of them. Only where that
    one is damaged are the others read; what is told of no record is not looked at.
    """
    try:
        footer, size = read_footer(store, keys, pack)
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
    name, records = pack_name(keys.chain, pack), footer.records
    kinds, offsets = records.kinds(), records.offsets()
    for told_at in told:
        record = bisect_left(offsets, told_at, 0, len(records))
        if record == len(records) or offsets[record] != told_at:
            return
        stored = memoryview(store.get_range(name, told_at, records.lengths[record]))
        try:
            _check(keys, name, footer, record, kinds[record], stored)
        except CorruptRepository:
            yield told_at
            continue
        if told_at == told[0]:
            return


def _damaged(store: DataSource, keys: ChainKeys, pack: PackId, footer: Footer) -> Iterator[int]:
    """Yield the offsets of records that do not hold what the footer says."""
    name, records = pack_name(keys.chain, pack), footer.records
    kinds, offsets = records.kinds(), records.offsets()
    places = list(zip(offsets, records.lengths, strict=False))
    for start, length, which in joined(places, most_bytes=UNIT_BYTES):
        stored = memoryview(store.get_range(name, start, length))
        for record in which:
            at = offsets[record] - start
            part = stored[at : at + records.lengths[record]]
            try:
                _check(keys, name, footer, record, kinds[record], part)
            except CorruptRepository:
                yield offsets[record]


def _check(
    keys: ChainKeys,
    name: str,
    footer: Footer,
    record: int,
    kind: RecordKind,
    stored: memoryview,
) -> None:
    origin, number = footer.origins[footer.records.origins[record]], footer.records.numbers[record]
    cipher = keys.pack_cipher(origin.pack, origin.run, origin.epoch)
    if kind.codec == DELTA:
        authenticate_record(name, cipher, number, kind, stored)
        return
    block = open_record(name, cipher, number, kind, stored)
    if keys.block_hash(block) != kind.block_hash:
        raise CorruptRepository(f"{name}: record {number} holds another block")
