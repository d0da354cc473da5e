"""Disks come back as they were, and no block is stored twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.bench import (
    BLOCK,
    SHARD,
    Bench,
    MemoryDisk,
    MemorySink,
    new_bench,
    noise,
    run_id,
    snapshot_of,
    whole,
)
from vmbackup_core.errors import PermanentError
from vmbackup_core.extents import Extent, aligned
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository import Progress, back_up_disk

TEXT = b"".join(b"line %d of a log that compresses well\n" % n for n in range(4000))


@st.composite
def disks(draw: st.DrawFn) -> bytes:
    """Disks of up to 40 blocks and a bit: zero, random and text blocks, some of them repeated."""
    kinds = draw(st.lists(st.sampled_from("zzrrt123"), min_size=1, max_size=40))
    blocks = {"z": bytes(BLOCK), "t": TEXT[:BLOCK]}
    content = b"".join(
        blocks.get(kind) or noise(n if kind == "r" else int(kind), BLOCK)
        for n, kind in enumerate(kinds)
    )
    return content + noise(99, draw(st.sampled_from([0, 0, 1, 512, BLOCK - 1])))


@given(disks(), st.sampled_from([1, 3]))
def test_a_disk_comes_back_as_it_was(content: bytes, threads: int) -> None:
    bench = new_bench()
    committed = bench.back_up(7, content, threads=threads)
    point = bench.record(7, committed, len(content))

    assert bench.restored(point, threads=threads) == content
    assert bench.repository.check(read_data=True).findings == ()


@given(disks(), disks(), st.data())
def test_an_incremental_restores_like_a_full(
    first: bytes, second: bytes, data: st.DataObject
) -> None:
    bench = new_bench()
    base = bench.back_up(1, first)
    if data.draw(st.booleans()):  # another commit after the base, which is then not the newest
        bench.back_up(2, noise(5, 3 * BLOCK) + second)
    changed = [
        Extent(at, min(BLOCK, len(second) - at))
        for at in range(0, len(second), BLOCK)
        if second[at : at + BLOCK] != first[at : at + BLOCK]
    ]

    committed = bench.back_up(3, second, extents=changed, base=base.slot)

    point = bench.record(3, committed, len(second))
    assert committed.kind == "incremental"
    assert bench.restored(point) == second
    assert bench.repository.check(read_data=True).findings == ()


def test_an_incremental_reads_the_changed_extents_only(bench: Bench) -> None:
    content = bytearray(noise(1, 40 * BLOCK))
    base = bench.back_up(1, bytes(content))
    content[20 * BLOCK : 21 * BLOCK] = noise(2, BLOCK)
    disk = MemoryDisk(bytes(content))

    committed = back_up_disk(
        bench.chain(),
        disk,
        run_id=run_id(2),
        snapshot=snapshot_of(2),
        disk_bytes=len(content),
        extents=[Extent(20 * BLOCK + 5, 10)],
        base=base.slot,
        threads=1,
    )

    assert disk.reads == [Extent(20 * BLOCK, BLOCK)]
    assert (committed.blocks_new, committed.blocks_reused) == (1, 39)
    assert committed.read_bytes == BLOCK


def test_shards_that_did_not_change_keep_their_index_objects(bench: Bench) -> None:
    content = bytearray(noise(1, 3 * SHARD))
    base = bench.back_up(1, bytes(content))
    content[SHARD : SHARD + 4] = b"new!"

    bench.back_up(2, bytes(content), extents=[Extent(SHARD, 4)], base=base.slot)

    assert len(bench.names("i")) == 3 + 1


def test_only_what_the_extents_touch_is_read_and_the_rest_is_zero(bench: Bench) -> None:
    content = bytes(3 * BLOCK) + noise(1, 2 * BLOCK) + bytes(30 * BLOCK)
    disk = MemoryDisk(content)
    extents = [Extent(3 * BLOCK + 100, BLOCK)]

    committed = back_up_disk(
        bench.chain(),
        disk,
        run_id=run_id(2),
        snapshot=snapshot_of(2),
        disk_bytes=len(content),
        extents=extents,
        base=None,
        threads=1,
    )

    assert disk.reads == list(aligned(extents, BLOCK, len(content)))
    assert bench.restored(bench.record(2, committed, len(content))) == content


def test_a_second_full_of_an_unchanged_disk_stores_no_pack_and_no_index(bench: Bench) -> None:
    content = noise(1, 20 * BLOCK) + bytes(9 * BLOCK) + TEXT
    bench.back_up(1, content)
    packs, indexes = bench.names("p"), bench.names("i")

    second = bench.back_up(2, content)

    assert (bench.names("p"), bench.names("i")) == (packs, indexes)
    assert (second.stored_bytes, second.blocks_new) == (0, 0)
    assert second.read_bytes == len(content)
    assert bench.restored(bench.record(2, second, len(content))) == content


def test_equal_blocks_of_a_shard_are_stored_once(bench: Bench) -> None:
    committed = bench.back_up(1, noise(1, BLOCK) * 10)

    assert (committed.blocks_new, committed.blocks_reused) == (1, 9)


def test_a_block_that_moved_within_its_shard_is_not_stored_again(bench: Bench) -> None:
    content = noise(1, 10 * BLOCK)
    bench.back_up(1, content)

    moved = bench.back_up(2, bytes(3 * BLOCK) + content)

    assert (moved.blocks_new, moved.stored_bytes) == (0, 0)


def test_zero_blocks_cost_nothing(bench: Bench) -> None:
    committed = bench.back_up(1, bytes(100 * BLOCK + 7))

    assert (bench.names("p"), bench.names("i")) == ([], [])
    assert committed.blocks_zero == 101
    assert bench.restored(bench.record(1, committed, 100 * BLOCK + 7)) == bytes(100 * BLOCK + 7)


def test_only_blocks_that_are_not_zero_are_written_back(bench: Bench) -> None:
    content = bytes(5 * BLOCK) + noise(1, BLOCK) + bytes(5 * BLOCK) + noise(2, 10)
    point = bench.record(1, bench.back_up(1, content), len(content))
    sink = MemorySink(len(content))

    bench.repository.restore_disk(point, point.disks[0], sink)

    assert sink.written == {5 * BLOCK, 11 * BLOCK}


def test_a_run_that_has_committed_gets_the_same_answer_again(bench: Bench) -> None:
    content = noise(1, 7 * BLOCK)
    first = bench.back_up(4, content)
    bench.back_up(5, noise(2, 7 * BLOCK))
    objects = list(bench.store.list(""))

    again = bench.back_up(4, content)

    assert again == first
    assert list(bench.store.list("")) == objects


def test_an_empty_list_of_extents_is_a_disk_of_zeros(bench: Bench) -> None:
    committed = bench.back_up(1, bytes(5 * BLOCK), extents=[])

    assert (committed.read_bytes, committed.blocks_zero) == (0, 5)


def test_an_incremental_from_a_slot_that_holds_nothing_is_refused(bench: Bench) -> None:
    with pytest.raises(PermanentError, match="slot 3 holds nothing") as refused:
        bench.back_up(1, b"x", base=CommitSlot(3))

    assert refused.value.reason == "BaseNotFound"


def test_progress_grows_to_what_was_owed(bench: Bench) -> None:
    told: list[Progress] = []
    content = noise(1, 20 * BLOCK)

    committed = back_up_disk(
        bench.chain(),
        MemoryDisk(content),
        run_id=run_id(1),
        snapshot=snapshot_of(1),
        disk_bytes=len(content),
        extents=whole(content),
        base=None,
        progress=told.append,
        threads=2,
    )

    assert [each.done_bytes for each in told] == sorted(each.done_bytes for each in told)
    assert (told[-1].total_bytes, told[-1].done_bytes) == (len(content), len(content))
    assert told[-1].stored_bytes == committed.stored_bytes


def test_what_progress_raises_ends_the_backup(bench: Bench) -> None:
    class Cancelled(Exception):
        pass

    def cancel(_progress: Progress) -> None:
        raise Cancelled

    for threads in (1, 3):
        with pytest.raises(Cancelled):
            back_up_disk(
                bench.chain(),
                MemoryDisk(noise(1, SHARD)),
                run_id=run_id(1),
                snapshot=snapshot_of(1),
                disk_bytes=SHARD,
                extents=[Extent(0, SHARD)],
                base=None,
                progress=cancel,
                threads=threads,
            )
    assert bench.names("k") == []
