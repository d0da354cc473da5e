"""Moved records, which readers of 1.0 read and no writer makes: a compaction by hand."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

import zstandard
from msgspec.structs import replace

from tests.format.golden.disks import Disk, Made, run_of
from tests.format.golden.workshop import Workshop
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.data.bitmaps import bitmap_of
from vmbackup_core.repository.data.footer import COMPACTION, Records, pack_start
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.index_writer import IndexWriter
from vmbackup_core.repository.data.manifest import (
    Manifest,
    ShardLine,
    ShardLines,
    encode_manifest,
)
from vmbackup_core.repository.data.records import RecordKind
from vmbackup_core.repository.data.sections import BaseSection, Entries, encode_base
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import seal
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import manifest_name, pack_name


@dataclass(frozen=True)
class Record:
    """Where a record lies, and what its tag covers."""

    row: PackRow
    number: int
    offset: int
    length: int
    kind: RecordKind


@dataclass
class Moved:
    """The pack that the records are copied to."""

    session: SessionRow
    content: bytearray = field(default_factory=bytearray)
    records: Records = field(default_factory=Records)
    origins: list[PackRow] = field(default_factory=list)
    offsets: dict[tuple[PackId, int], int] = field(default_factory=dict)

    def take(self, shop: Workshop, disk: Disk, record: Record, block: int) -> None:
        """Copy the bytes of a record that is not there yet."""
        place = record.row.origin, record.number
        if place in self.offsets:
            return
        self.offsets[place] = 64 + len(self.content)
        name = pack_name(disk.chain, record.row.holder)
        self.content += shop.data.get_range(name, record.offset, record.length)
        known = [row.origin for row in self.origins]
        if record.row.origin not in known:
            self.origins.append(record.row)
            known.append(record.row.origin)
        self.records.append(block, record.kind, record.length)
        self.records.origins[-1] = known.index(record.row.origin)
        self.records.numbers[-1] = record.number

    def rows(self, size_bytes: int) -> list[PackRow]:
        return [
            PackRow(self.session, 0, size_bytes, row.origin_session, row.origin_number)
            for row in self.origins
        ]


def compact(shop: Workshop, disk: Disk, number: int) -> Made:
    """Commit the newest manifest's disk again, all its records moved to one pack."""
    assert disk.newest is not None
    manifest = shop.manifest(disk, disk.newest)
    keys = shop.reader_keys(disk)
    index = IndexReader(shop.data, keys, manifest)
    ids = WritingIds(CommitSlot(disk.slot + 1), run_of(number), shop.epoch)
    moved = Moved(ids.next_pack()[0])
    views = [index.shard(line) for line in manifest.lines]
    for view in views:
        for record, block in records_of(view, manifest):
            moved.take(shop, disk, record, block)
    stored = pack_of(keys, moved)
    shop.data.put_new(
        pack_name(disk.chain, PackId(CommitSlot(disk.slot + 1), moved.session.session, 0)), stored
    )
    indexes = IndexWriter(shop.data, keys, ids, flush=lambda: None, level=3)
    rows = moved.rows(len(stored))
    for view in views:
        indexes.add(view.shard, "base", encode_base(section_of(view, moved)), rows)
    indexes.close()
    lines = [
        ShardLine(view.shard, indexes.placed[view.shard, "base"], view.used_blocks)
        for view in views
    ]
    said = replace(
        manifest.said,
        slot=moved.session.slot,
        session=moved.session.session,
        sessions=(moved.session.session,),
        run_id=moved.session.run,
        kind="full",
        base_slot=None,
    )
    name = manifest_name(disk.chain, said.slot, said.session)
    payload = encode_manifest(Manifest(said, tuple(indexes.objects), ShardLines.of(lines)))
    sealed = seal("MANI", name, payload, keys.source())
    shop.data.put_new(name, sealed)
    at = ManifestAt(name, hashlib.sha256(sealed).hexdigest(), said.slot)
    return shop.commit(disk, number, at, disk.content, "compact")


def records_of(view: ShardView[PackRow], manifest: Manifest) -> list[tuple[Record, int]]:
    """Every record that a shard needs, bases of deltas first, and a block that it stands for."""
    entries, bases, found = view.entries, view.entries.bases, []
    before = entries.bases_before()
    said = manifest.said
    first = view.shard * (said.shard_bytes // said.block_bytes)
    for block, entry in enumerate(view.at):
        if entry == ZERO:
            continue
        length = min(said.block_bytes, said.disk_bytes - (first + block) * said.block_bytes)
        base_hash = None
        if entries.codecs[entry] == DELTA:
            at = before[entry]
            base_hash = bases.hash_at(at)
            kind = RecordKind(bases.codecs[at], bases.block_bytes[at], base_hash)
            row = view.rows[bases.rows[at]]
            base = Record(row, bases.numbers[at], bases.offsets[at], bases.lengths[at], kind)
            found.append((base, first + block))
        kind = RecordKind(entries.codecs[entry], length, entries.hash_at(entry), base_hash)
        row = view.rows[entries.rows[entry]]
        place = entries.numbers[entry], entries.offsets[entry], entries.lengths[entry]
        found.append((Record(row, *place, kind), first + block))
    return found


def section_of(view: ShardView[PackRow], moved: Moved) -> BaseSection:
    """A base of the same blocks, their records where they lie now."""
    origins = [row.origin for row in moved.origins]
    entries, before = Entries(), view.entries.bases_before()
    for entry in view.at:
        if entry == ZERO:
            continue
        origin = view.rows[view.entries.rows[entry]].origin
        entries.append(view.entries, entry, origins.index(origin))
        entries.offsets[-1] = moved.offsets[origin, entries.numbers[-1]]
        if entries.codecs[-1] == DELTA:
            bases = view.entries.bases
            origin = view.rows[bases.rows[before[entry]]].origin
            entries.bases.append(bases, before[entry], origins.index(origin))
            place = origin, entries.bases.numbers[-1]
            entries.bases.offsets[-1] = moved.offsets[place]
    used = bitmap_of(bytes(entry != ZERO for entry in view.at))
    return BaseSection(view.shard, view.blocks, used, entries)


def pack_of(keys: ChainKeys, moved: Moved) -> bytes:
    """The pack's bytes: its footer names more origins than one, and none of them is itself."""
    session = moved.session
    pack = PackId(session.slot, session.session, 0)
    start = pack_start(keys.repository, session, COMPACTION)  # type: ignore[arg-type] # by nobody
    origins = b"".join(
        struct.pack(
            "<I16sI16sI",
            row.origin.slot,
            bytes.fromhex(row.origin.session),
            row.origin.number,
            bytes.fromhex(row.run),
            row.epoch,
        )
        for row in moved.origins
    )
    said = struct.pack("<II", len(moved.records), len(moved.origins))
    said += origins + moved.records.packed()
    name = pack_name(keys.chain, pack)
    payload = keys.proof(name, start + said, session.run, session.epoch) + said
    frame = zstandard.ZstdCompressor(level=3).compress(payload)
    cipher = keys.footer_cipher(pack, session.run, session.epoch)
    sealed = cipher.encrypt(bytes(12), frame, start + name.encode())
    trailer = struct.pack("<II8s", len(sealed), len(payload), b"VMBKPEND")
    return start + bytes(moved.content) + sealed + trailer
