"""Killed at any write, a backup leaves no half point behind; its retry stores nothing twice."""

from __future__ import annotations

import pytest

from tests.unit.repository.bench import BLOCK, SHARD, Bench, new_bench, noise, run_id
from tests.unit.repository.stores_that_fail import DyingStore, Killed
from vmbackup_core.repository.names import pack_of
from vmbackup_core.repository.pack_reader import read_footer

OLD = noise(1, 12 * BLOCK) + bytes(8 * BLOCK) + noise(2, 20 * BLOCK)
NEW = noise(3, 2 * SHARD) + OLD[2 * SHARD :] + noise(4, 5 * BLOCK + 77)


def records_in_packs(bench: Bench) -> int:
    chain = bench.chain()
    count = 0
    for each in bench.store.list(chain.full_name("p/")):
        pack = pack_of(chain.short_name(each.name))
        assert pack is not None
        count += len(read_footer(chain, pack, each.size_bytes))
    return count


def writes_of_a_backup(bench: Bench) -> int:
    before = len(list(bench.store.list("")))
    bench.record(2, bench.back_up(2, NEW), len(NEW))
    return len(list(bench.store.list(""))) - before


@pytest.mark.parametrize("applied", [True, False], ids=["after the write", "before the write"])
def test_killed_at_any_write_the_retry_completes_and_stores_no_block_twice(
    *, applied: bool
) -> None:
    # How many writes there are is learned from one that is not killed.
    reference = new_bench()
    reference.record(1, reference.back_up(1, OLD), len(OLD))
    writes = writes_of_a_backup(reference)
    distinct = records_in_packs(reference)
    assert writes > 10

    for last in range(1, writes):  # the last one is the recovery point's own
        killed = new_bench()
        first = killed.record(1, killed.back_up(1, OLD), len(OLD))
        with pytest.raises(Killed):
            killed.back_up(2, NEW, store=DyingStore(killed.store, last, applied=applied))

        assert [each.run_id for each in killed.repository.points()] == [run_id(1)]
        assert killed.repository.check(read_data=True).findings == ()
        assert killed.restored(first) == OLD

        committed = killed.back_up(2, NEW)
        second = killed.record(2, committed, len(NEW))

        assert killed.restored(second) == NEW
        assert killed.restored(first) == OLD
        assert killed.repository.check(read_data=True).findings == ()
        assert records_in_packs(killed) == distinct
        assert committed.slot == 2


def test_killed_again_and_again_a_run_still_ends(bench: Bench) -> None:
    # Packs are adopted, indexes are written again: six writes end a run whose packs are all there.
    for _ in range(100):
        try:
            committed = bench.back_up(1, NEW, store=DyingStore(bench.store, 8, applied=True))
        except Killed:
            continue
        break
    else:
        pytest.fail("each attempt stores some packs more, so this has to end")

    assert bench.restored(bench.record(1, committed, len(NEW))) == NEW
    assert records_in_packs(bench) == committed.blocks_new + committed.blocks_reused


def test_the_packs_of_another_runs_crash_are_adopted_too(bench: Bench) -> None:
    with pytest.raises(Killed):
        bench.back_up(1, NEW, store=DyingStore(bench.store, 5, applied=True))
    left = records_in_packs(bench)

    committed = bench.back_up(2, NEW)

    assert left > 0
    assert committed.blocks_reused == left
    assert bench.restored(bench.record(2, committed, len(NEW))) == NEW


def test_a_damaged_pack_that_was_left_is_not_adopted(bench: Bench) -> None:
    with pytest.raises(Killed):
        bench.back_up(1, NEW, store=DyingStore(bench.store, 5, applied=True))
    (damaged, *_) = bench.names("p")
    content = bytearray(bench.store.get(damaged))
    content[-20] ^= 1
    bench.store.delete(damaged)
    bench.store.put_new(damaged, content)

    committed = bench.back_up(1, NEW)

    assert bench.restored(bench.record(1, committed, len(NEW))) == NEW
    (finding,) = bench.repository.check(read_data=True).findings
    assert finding.object == damaged
