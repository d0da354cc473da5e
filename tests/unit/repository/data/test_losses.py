"""What is lost is said with its place, and healed blocks stand in for it."""

from __future__ import annotations

import hashlib
import random
from array import array
from dataclasses import replace

import pytest
from hypothesis import given

from tests.sampling import some_of
from tests.unit.repository.data.bench import (
    CHAIN,
    Bench,
    Target,
    Written,
    noise,
    pack_of,
    run_of,
    silent,
)
from tests.unit.repository.data.samples import BLOCK, SEEDS, SHARD
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.data.healing import (
    BlockToHeal,
    HealingIndex,
    HealingPack,
    NothingHealed,
    write_healing,
)
from vmbackup_core.repository.data.index_writer import IndexWriter
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.manifest_lines import LineMade, lines_of
from vmbackup_core.repository.data.pack_reader import read_foot_of, read_footer
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.data.said import MIB
from vmbackup_core.repository.data.shard_view import NewBase, choose
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.data.writing_ids import WritingIds
from vmbackup_core.repository.primitives.failures import KeyNotGiven
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.stores.port import AlreadyStored

HEALING = WritingSession("4e" * 16)
CONTENT = noise(1, 3 * SHARD - 100)


def lose_a_record(bench: Bench, name: str, record: int) -> None:
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack_of(name))
    content = bytearray(bench.store.get(name))
    content[footer.records.offsets()[record] + 5] ^= 1
    bench.store.replace(name, bytes(content))


def heal(bench: Bench, blocks: list[BlockToHeal]) -> list[HealingPack]:
    keys = bench.reader_keys()
    run = run_of(77)
    sizes = write_healing(bench.store, keys, run, HEALING, blocks, pack_bytes=MIB, level=3)
    found = []
    for number in range(len(sizes)):
        _, foot, size = read_foot_of(bench.store, keys, PackId(HEALING_SLOT, HEALING, number))
        found.append(HealingPack(HEALING, number, size, hashlib.sha256(foot).digest()))
    assert sorted(each.size_bytes for each in found) == sorted(sizes)
    return found


def full() -> tuple[Bench, Written]:
    bench = Bench()
    return bench, bench.write(bench.grant(1, len(CONTENT)), CONTENT)


def test_the_first_loss_ends_a_restore_and_names_the_record() -> None:
    bench, written = full()
    lose_a_record(bench, bench.store.names("p")[0], 7)
    with pytest.raises(CorruptRepository, match="record 7"):
        bench.restore(written)


@given(SEEDS)
def test_who_keeps_going_is_told_every_hole(draw: random.Random) -> None:
    bench, written = full()
    (pack,) = bench.store.names("p")
    lost = sorted(draw.sample(range(192), draw.randrange(1, 9)))
    for record in lost:
        lose_a_record(bench, pack, record)
    content, holes = bench.restore(written, keep_going=True)
    owed = bytearray(CONTENT)
    for block in lost:
        start, end = block * BLOCK, min((block + 1) * BLOCK, len(CONTENT))
        owed[start:end] = bytes(end - start)
    assert content == bytes(owed)
    covered = {at // BLOCK for hole in holes.extents for at in range(hole.offset, hole.end, BLOCK)}
    assert covered == set(lost)
    assert sum(hole.length for hole in holes.extents) == sum(
        min(BLOCK, len(CONTENT) - block * BLOCK) for block in lost
    )
    assert len(holes.reasons) == len(lost)


def test_a_missing_pack_and_a_cut_one_are_holes() -> None:
    bench, written = full()
    (pack,) = bench.store.names("p")
    stored = bench.store.get(pack)
    bench.store.replace(pack, stored[: 64 + 100 * (BLOCK + 16) + 5])
    _, holes = bench.restore(written, keep_going=True)
    assert holes.extents == [Extent(100 * BLOCK, len(CONTENT) - 100 * BLOCK)]
    bench.store.delete(pack)
    content, holes = bench.restore(written, keep_going=True)
    assert holes.extents == [Extent(0, len(CONTENT))]
    assert content == bytes(len(CONTENT))


def test_a_lost_section_is_a_hole_of_its_shard() -> None:
    bench, written = full()
    line = bench.manifest(written).lines.line_of(1)
    assert line is not None
    (index,) = bench.store.names("i")
    stored = bytearray(bench.store.get(index))
    stored[line.base.offset + 200] ^= 4
    bench.store.replace(index, bytes(stored))
    content, holes = bench.restore(written, keep_going=True)
    assert holes.extents == [Extent(SHARD, SHARD)]
    assert content == CONTENT[:SHARD] + bytes(SHARD) + CONTENT[2 * SHARD :]


def open_all(bench: Bench, written: Written) -> None:
    index = bench.index(written)
    for line in index.manifest.lines:
        index.shard(line)


def test_no_flipped_bit_of_an_index_object_or_a_manifest_goes_unseen() -> None:
    bench = Bench()
    content = noise(1, 16 * BLOCK) + bytes(SHARD)
    first = bench.write(bench.grant(1, len(content)), content)
    after = b"new" + content[3:]
    grant = bench.grant(2, len(content), newest=first, base=first, deltas=True)
    second = bench.write(grant, after, [Extent(0, BLOCK)], predecessor=content)
    line = bench.manifest(second).lines.line_of(0)
    assert line is not None
    assert line.patch is not None
    for name in (*bench.store.names("i"), *bench.store.names("m", 2)):
        whole = bench.store.get(name)
        for at in some_of(range(len(whole))):
            altered = bytearray(whole)
            altered[at] ^= 1 << at % 8
            bench.store.replace(name, bytes(altered))
            with pytest.raises(CorruptRepository):
                open_all(bench, second)
        bench.store.replace(name, whole[:-1])
        with pytest.raises(CorruptRepository):
            open_all(bench, second)
        bench.store.replace(name, whole)
    assert bench.restore(second)[0] == after


def test_healed_blocks_stand_in_for_lost_records() -> None:
    bench, written = full()
    (pack,) = bench.store.names("p")
    bench.store.delete(pack)
    blocks = [
        BlockToHeal(at // BLOCK, CONTENT[at : at + BLOCK])
        for at in range(0, len(CONTENT), BLOCK)
        if at != 5 * BLOCK
    ]
    packs = heal(bench, blocks)
    healed = HealingIndex.load(bench.store, bench.reader_keys(), packs)
    content, holes = bench.restore(written, healed=healed, keep_going=True)
    assert holes.extents == [Extent(5 * BLOCK, BLOCK)]
    assert content == CONTENT[: 5 * BLOCK] + bytes(BLOCK) + CONTENT[6 * BLOCK :]


def test_the_base_of_a_delta_is_found_among_healed_blocks() -> None:
    bench, first = full()
    after = b"new" + CONTENT[3:]
    grant = bench.grant(2, len(CONTENT), newest=first, base=first, deltas=True)
    second = bench.write(grant, after, [Extent(0, BLOCK)], predecessor=CONTENT)
    lose_a_record(bench, bench.store.names("p", 1)[0], 0)
    with pytest.raises(CorruptRepository):
        bench.restore(second)
    packs = heal(bench, [BlockToHeal(0, CONTENT[:BLOCK])])
    healed = HealingIndex.load(bench.store, bench.reader_keys(), packs)
    assert bench.restore(second, healed=healed)[0] == after


def test_a_healing_pack_that_is_not_the_one_of_the_log_is_passed_over() -> None:
    bench, written = full()
    bench.store.delete(bench.store.names("p")[0])
    blocks = [BlockToHeal(0, CONTENT[:BLOCK])]
    (pack,) = heal(bench, blocks)
    name = pack_name(CHAIN, pack.pack)
    keys = bench.reader_keys()
    others = (
        HealingPack(HEALING, 0, pack.size_bytes, bytes(32)),
        HealingPack(HEALING, 0, pack.size_bytes + 1, pack.foot_sha256),
        HealingPack(HEALING, 1, pack.size_bytes, pack.foot_sha256),
    )
    block_hash = keys.block_hash(CONTENT[:BLOCK])
    assert HealingIndex.load(bench.store, keys, others).find(block_hash, BLOCK) is None
    healed = HealingIndex.load(bench.store, keys, [pack])
    assert healed.find(block_hash, BLOCK) == CONTENT[:BLOCK]
    assert healed.find(block_hash, BLOCK - 1) is None
    bench.store.replace(name, bench.store.get(name)[:70])
    assert healed.find(block_hash, BLOCK) is None
    assert bench.restore(written, healed=healed, keep_going=True)[1].extents


def test_a_healing_session_draws_no_other_id() -> None:
    """The log waits for the one that it was told of."""
    bench, _ = full()
    blocks = [BlockToHeal(0, CONTENT[:BLOCK])]
    heal(bench, blocks)
    with pytest.raises(AlreadyStored):
        heal(bench, [BlockToHeal(0, CONTENT[BLOCK : 2 * BLOCK])])
    assert len(bench.store.names("h")) == 1


def test_records_that_lie_in_another_pack_than_their_origin_are_restored() -> None:
    bench, written = full()
    (old,) = bench.store.names("p")
    index, manifest = bench.index(written), bench.manifest(written)
    moved = SessionRow(CommitSlot(2), WritingSession("cc" * 16), run_of(5), 1)
    holder = PackRow.own(moved, 4, len(bench.store.get(old)) + 1000)
    bench.store.put_new(pack_name(CHAIN, holder.holder), bytes(1000) + bench.store.get(old))
    bench.store.delete(old)
    keys = bench.reader_keys()
    ids = WritingIds(CommitSlot(2), run_of(5), 1)
    writer = IndexWriter(bench.store, keys, ids, flush=lambda: None, level=3)
    for line in manifest.lines:
        view = index.shard(line)
        rows = [
            replace(holder, origin_session=each.origin_session, origin_number=each.origin_number)
            for each in view.rows
        ]
        for entry in range(len(view.entries)):
            view.entries.offsets[entry] += 1000
        chosen = choose(replace(view, rows=rows), None, lambda row: row.places, len)
        assert isinstance(chosen, NewBase)
        writer.add(line.shard, "base", chosen.payload, chosen.rows)
    writer.close()
    made = [LineMade(line.shard, line.used_blocks, None, new_base=True) for line in manifest.lines]
    objects, lines = lines_of(made, (), writer.placed, writer.objects)
    target = Target(len(CONTENT))
    restore_manifest(
        bench.store,
        keys,
        Manifest(manifest.said, objects, lines),
        NothingHealed(),
        target,
        threads=1,
        progress=silent,
    )
    assert bytes(target.content) == CONTENT


def test_keys_of_a_backup_open_no_record_of_an_earlier_run() -> None:
    bench, written = full()
    keys = bench.writer_keys(run_of(2))
    index = bench.index(written)
    line = index.manifest.lines.line_of(0)
    assert line is not None
    (row,) = index.rows(line)
    with pytest.raises(KeyNotGiven):
        keys.pack_cipher(row.origin, row.run, row.epoch)


def test_an_array_of_words_has_four_bytes_each() -> None:
    """The columns of every structure rest on it."""
    assert (array("I").itemsize, array("Q").itemsize) == (4, 8)
