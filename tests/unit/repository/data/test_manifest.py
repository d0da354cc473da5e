"""Manifests: all shards of the largest disks in few bytes, and nothing believed unread."""

from __future__ import annotations

import random
import struct
import tracemalloc
from dataclasses import replace
from functools import cache

import msgspec
import pytest
from hypothesis import given

from tests.unit.repository.data.samples import SEEDS, seeded
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RepositoryId, RunId, SnapshotUniqueId
from vmbackup_core.repository.data.manifest import (
    IndexObject,
    Manifest,
    SectionRef,
    ShardLine,
    ShardLines,
    decode_manifest,
    encode_manifest,
)
from vmbackup_core.repository.data.manifest_lines import LineMade, crowded, lines_of
from vmbackup_core.repository.data.said import (
    GIB,
    KIB,
    MIB,
    ManifestSaid,
    SaidDisk,
    SaidVm,
    Statistics,
)
from vmbackup_core.repository.primitives.bounds import OF_SEALED, manifest_at_commit
from vmbackup_core.repository.primitives.envelope import Source, seal
from vmbackup_core.repository.primitives.identities import IndexId, WritingSession

TIB = 1024 * GIB
OBJECT_BYTES = 32 * MIB


def said(disk_bytes: int) -> ManifestSaid:
    session = WritingSession("ab" * 16)
    return ManifestSaid(
        chain_id=ChainId("cd" * 16),
        generation=0,
        chain_epoch=1,
        slot=CommitSlot(7),
        session=session,
        sessions=(session,),
        run_id=RunId("ef" * 16),
        kind="incremental",
        base_slot=6,
        disk_bytes=disk_bytes,
        block_bytes=256 * KIB,
        shard_bytes=4 * GIB,
        pack_bytes=32 * MIB,
        snapshot_unique_id=SnapshotUniqueId("unique id of the snapshot"),
        taken_at=None,
        disk=SaidDisk("/subscriptions/s/disks/d", "unique id", "d", 3),
        vm=SaidVm("/subscriptions/s/virtualMachines/v", "v", "westeurope"),
        statistics=Statistics(1, 2, 3, 4, 5),
    )


@cache
def disk_of_32_tib(kind: str) -> Manifest:
    return whole_disk(seeded(1), 32 * TIB, patches=kind == "patches")


def whole_disk(draw: random.Random, disk_bytes: int, *, patches: bool) -> Manifest:
    """Return a manifest that names a base of every shard, most of 560 KB, and patches."""
    shards, objects = disk_bytes // (4 * GIB), list[IndexObject]()
    lines: list[ShardLine] = []
    offset = OBJECT_BYTES
    for shard in range(shards):
        refs: list[SectionRef] = []
        for length in (draw.randrange(500_000, 560_000), draw.randrange(1000, 90_000))[
            : 2 if patches else 1
        ]:
            if offset + length > OBJECT_BYTES - 100_000:
                index = IndexId(
                    CommitSlot(draw.randrange(1, 7)),
                    WritingSession(f"{draw.getrandbits(128):032x}"),
                    draw.randrange(40),
                )
                objects.append(
                    IndexObject(index, OBJECT_BYTES, OBJECT_BYTES - 100_000, draw.randbytes(32))
                )
                offset = 0
            refs.append(SectionRef(len(objects) - 1, offset, length, draw.randbytes(32)))
            offset += length
        patch = refs[1] if patches else None
        lines.append(ShardLine(shard, refs[0], draw.randrange(16_384), patch, 95_000 * patches))
    return Manifest(said(disk_bytes), tuple(objects), ShardLines.of(lines))


@pytest.mark.parametrize("kind", ["bases", "patches"])
def test_a_manifest_of_32_tib_is_within_1_mib(kind: str) -> None:
    manifest = disk_of_32_tib(kind)
    payload = encode_manifest(manifest)
    source = Source(RepositoryId("40" * 16), 1, bytes(32))
    sealed = seal("MANI", "name", payload, source)
    assert len(payload) <= MIB
    assert len(sealed) <= manifest_at_commit(8192).stored
    assert list(decode_manifest("manifest", payload).lines) == list(manifest.lines)


def test_a_manifest_of_64_tib_with_all_patches_is_within_its_bounds() -> None:
    payload = encode_manifest(whole_disk(seeded(1), 64 * TIB, patches=True))
    assert len(payload) <= manifest_at_commit(16_384).payload <= OF_SEALED["MANI"].payload


def test_reading_a_manifest_of_32_tib_takes_few_times_its_bytes() -> None:
    payload = encode_manifest(disk_of_32_tib("patches"))
    tracemalloc.start()
    try:
        manifest = decode_manifest("manifest", payload)
        for shard in range(0, 8192, 64):
            assert manifest.lines.line_of(shard) is not None
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


@given(SEEDS)
def test_a_manifest_says_where_each_shard_is(draw: random.Random) -> None:
    whole = whole_disk(draw, 40 * 4 * GIB, patches=True)
    lines = [
        replace(line, patch=None, patches_bytes=0) if draw.random() < 0.5 else line
        for line in whole.lines
        if draw.random() < 0.7
    ]
    read = decode_manifest(
        "manifest", encode_manifest(Manifest(whole.said, whole.objects, ShardLines.of(lines)))
    )
    assert (read.said, read.objects) == (whole.said, whole.objects)
    assert list(read.lines) == lines
    assert read.lines.used_blocks == sum(line.used_blocks for line in lines)
    by_shard = {line.shard: line for line in lines}
    for shard in range(41):
        assert read.lines.line_of(shard) == by_shard.get(shard)


def test_a_manifest_has_the_layout_of_the_page() -> None:
    index = IndexId(CommitSlot(3), WritingSession("0f" * 16), 2)
    one = IndexObject(index, 1000, 900, b"T" * 32)
    lines = [
        ShardLine(1, SectionRef(0, 0, 300, b"A" * 32), 11),
        ShardLine(4, SectionRef(0, 300, 400, b"B" * 32), 12, SectionRef(0, 700, 50, b"C" * 32), 80),
    ]
    payload = encode_manifest(Manifest(said(40 * GIB), (one,), ShardLines.of(lines)))
    length = len(payload) - 16 - 68 - 2 * 52 - 52
    assert payload[:16] == struct.pack("<IIII", length, 1, 2, 1)
    fields = msgspec.json.decode(payload[16 : 16 + length])
    assert list(fields) == [
        "chainId", "generation", "chainEpoch", "slot", "session", "sessions", "runId", "kind",
        "baseSlot", "diskBytes", "blockBytes", "shardBytes", "packBytes", "snapshotUniqueId",
        "takenAt", "disk", "vm", "statistics",
    ]  # fmt: skip
    assert payload[16 + length :] == (
        struct.pack("<I16sIIII32s", 3, b"\x0f" * 16, 2, 1000, 900, 100, b"T" * 32)
        + struct.pack("<10I", 1, 4, 0, 0, 0, 300, 300, 400, 11, 12)
        + b"A" * 32
        + b"B" * 32
        + struct.pack("<5I", 1, 0, 700, 50, 80)
        + b"C" * 32
    )


def test_counts_that_the_bytes_do_not_bear_allocate_nothing() -> None:
    most = 2**32 - 1
    tracemalloc.start()
    try:
        for counts in ((most, 0, 0, 0), (2, most, 0, 0), (2, 0, most, 0), (2, 0, 0, most)):
            with pytest.raises(CorruptRepository):
                decode_manifest("manifest", struct.pack("<IIII", *counts) + bytes(100))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


ONE = IndexObject(IndexId(CommitSlot(3), WritingSession("0f" * 16), 2), 1000, 900, b"T" * 32)
BASE = SectionRef(0, 0, 300, b"A" * 32)


@pytest.mark.parametrize(
    "manifest",
    [
        Manifest(said(40 * GIB), (ONE, ONE), ShardLines.of([])),
        Manifest(said(40 * GIB), (), ShardLines.of([ShardLine(1, BASE, 1)])),
        Manifest(said(40 * GIB), (ONE,), ShardLines.of([ShardLine(10, BASE, 1)])),
        Manifest(said(40 * GIB), (ONE,), ShardLines.of([ShardLine(1, BASE, 16_385)])),
        Manifest(said(40 * GIB), (ONE,), ShardLines.of([ShardLine(1, BASE, 1)] * 2)),
        Manifest(
            said(40 * GIB), (ONE,), ShardLines.of([ShardLine(1, replace(BASE, offset=601), 1)])
        ),
        Manifest(
            said(40 * GIB),
            (ONE,),
            ShardLines.of([ShardLine(1, BASE, 1, replace(BASE, object=1), 300)]),
        ),
    ],
    ids=["object twice", "no object", "shard", "used blocks", "order", "in the table", "patch"],
)
def test_a_manifest_that_contradicts_itself_is_damaged(manifest: Manifest) -> None:
    with pytest.raises(CorruptRepository):
        decode_manifest("manifest", encode_manifest(manifest))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("blockBytes", 12_288),
        ("shardBytes", 4 * GIB + 1),
        ("packBytes", MIB - 1),
        ("diskBytes", 0),
        ("diskBytes", 64 * TIB + 1),
        ("slot", 0),
        ("session", "ff" * 16),
        ("sessions", []),
        ("chainId", "x"),
    ],
)
def test_a_manifest_that_says_what_no_writer_says_is_damaged(field: str, value: object) -> None:
    fields = msgspec.json.decode(msgspec.json.encode(said(40 * GIB)))
    fields[field] = value
    text = msgspec.json.encode(fields)
    with pytest.raises(CorruptRepository):
        decode_manifest("manifest", struct.pack("<IIII", len(text), 0, 0, 0) + text)


def test_a_manifest_names_no_more_index_objects_than_it_may() -> None:
    """Those with the fewest sections go first; what stays is numbered anew."""
    objects = tuple(
        replace(ONE, index=IndexId(CommitSlot(3), WritingSession("0f" * 16), number))
        for number in range(4)
    )
    where = (0, 0, 0, 1, 2, 2, 3)
    lines = [ShardLine(shard, replace(BASE, object=row), 1) for shard, row in enumerate(where)]
    manifest = Manifest(said(40 * GIB), objects, ShardLines.of(lines))
    assert crowded(manifest, 4) == frozenset()
    gone = crowded(manifest, 2)
    assert gone == {1, 3}
    made = [LineMade(each.shard, 1, None if each.base.object in gone else each) for each in lines]
    own = replace(ONE, index=IndexId(CommitSlot(9), WritingSession("0f" * 16), 0))
    placed = {(shard, "base"): SectionRef(0, shard, 9, b"N" * 32) for shard in (3, 6)}
    named, new = lines_of(made, objects, placed, [own])  # type: ignore[arg-type]
    assert named == (objects[0], objects[2], own)
    assert [line.base.object for line in new] == [0, 0, 0, 2, 1, 1, 2]
