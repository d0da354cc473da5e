"""Restoring a disk [33]."""

from collections.abc import Callable
from functools import cache

from .chains import Chain, Shard
from .ciphers import Damaged, need
from .packs import Record
from .places import object_name
from .sections import Entry, Manifest, Row

MIB = 1 << 20


@cache
def zeros(size: int) -> bytes:
    """So many zero bytes, of which most disks are made: the same object each time."""
    return bytes(size)


class Restore:
    """[33] One disk, shard by shard; what is lost is a hole of zero bytes.

    Of packs that are offline the copies are read that were made by hand: for the point's run.
    """

    def __init__(
        self,
        chain: Chain,
        manifest: Manifest,
        healing: dict[bytes, tuple[str, int, Record]],
        run: str,
    ) -> None:
        self.chain, self.manifest, self.healing, self.run = chain, manifest, healing, run
        self.key = chain.hash_key(manifest)
        self.disk, self.block, self.shard = (
            manifest.body[name] for name in ("diskBytes", "blockBytes", "shardBytes")
        )
        self.holes: list[tuple[int, int]] = []

    def lose(self, start: int, length: int) -> None:
        """Note a hole, which grows where it goes on from the last one."""
        if self.holes and sum(self.holes[-1]) == start:
            start, length = self.holes[-1][0], self.holes.pop()[1] + length
        self.holes.append((start, length))

    def write(self, write: Callable[[bytes], object]) -> None:
        for shard in range(-(-self.disk // self.shard)):
            start = shard * self.shard
            length, name = min(self.shard, self.disk - start), f"c/{self.chain.chain}#{shard}"
            found: Shard | None = None
            with self.chain.repository.look(self.chain.data, name):
                found = self.chain.open_shard(self.manifest, shard)
            if found is None:
                self.lose(start, length)
            self.write_shard(found or {}, start, length, write)

    def write_shard(
        self, found: Shard, start: int, length: int, write: Callable[[bytes], object]
    ) -> None:
        if not found:
            for offset in range(0, length, MIB):
                write(zeros(min(MIB, length - offset)))
            return
        for number, offset in enumerate(range(0, length, self.block)):
            size = min(self.block, length - offset)
            write(
                self.read(*found[number], start + offset, size) if number in found else zeros(size)
            )

    def read(self, entry: Entry, rows: list[Row], position: int, size: int) -> bytes:
        where = rows[entry.row].holder
        with self.chain.repository.look(
            self.chain.data, object_name(self.chain.chain, "p", *where.place)
        ):
            return self.read_entry(entry, rows, size)
        self.lose(position, size)
        return zeros(size)

    def read_entry(self, entry: Entry, rows: list[Row], size: int) -> bytes:
        """A block by its record, or by its hash among the healing packs."""
        try:
            base = self.read_entry(entry.base, rows, entry.base.block_bytes) if entry.base else None
            row = rows[entry.row]
            need(row.holder.slot, "a table that names a healing pack")
            name = object_name(self.chain.chain, "p", *row.holder.place)
            digest = entry.base.digest if entry.base else None
            record = Record(
                row.origin, entry.number, entry.length, entry.codec, entry.digest, size, digest
            )
            return self.decode(record, name, entry.offset, base)
        except Damaged:
            if entry.digest not in self.healing:
                raise
            name, offset, record = self.healing[entry.digest]
            need(record.block_bytes == size, "a healed block of another length")
            self.chain.repository.records["healed"] += 1
            return self.decode(record, name, offset, None)

    def decode(self, record: Record, name: str, offset: int, base: bytes | None) -> bytes:
        need(record.length <= record.block_bytes + 16, "a record past its bound")
        place = self.chain.data
        sealed = place.read_range(place.readable(name, self.run), offset, record.length)
        return record.decode(record.open(self.chain.ring, self.chain.id, sealed), self.key, base)
