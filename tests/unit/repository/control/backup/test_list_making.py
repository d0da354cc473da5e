"""A pack list follows from the newest commit's, or is counted anew where that or a table is bad."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.control.backup.hostile_worker import (
    BLOCKS,
    HostileWorker,
    second_attempt,
)
from tests.unit.repository.control.commit_bench import (
    CHAIN,
    CommitBench,
)
from tests.unit.repository.control.lists_summed import summed
from tests.unit.repository.control.log_bench import numbered, run
from tests.unit.repository.data.bench import noise
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import LostAttempt
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.committing import Offer
from vmbackup_core.repository.control.commits.pack_list import PACK, ListEntry
from vmbackup_core.repository.control.commits.tally import (
    DiffersFromItself,
    Tally,
    TooManyCounted,
    difference,
)
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.data.manifest import IndexObject
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.names import index_name, prefix_of_chain
from vmbackup_core.stores.memory import MemoryStore


def memory_of(bench: CommitBench, place: str) -> MemoryStore:
    store = getattr(bench.places, place)
    assert isinstance(store, MemoryStore)
    return store


def damage(store: MemoryStore, name: str, at: int = 100) -> None:
    stored = bytearray(store.get(name))
    stored[at] ^= 1
    store.overwrite(name, bytes(stored))


def damage_table(worker: HostileWorker, at: IndexObject) -> None:
    damage(worker.data, index_name(CHAIN, at.index), at.table_offset + 90)


def damage_list(bench: CommitBench, slot: int) -> None:
    (part,) = bench.find_commit(slot).pack_list
    damage(memory_of(bench, "control"), prefix_of_chain(CHAIN) + part.name)


def bad_of(bench: CommitBench) -> tuple[Bad, ...]:
    return bench.log().read().state.bad_of(CHAIN)


def test_a_list_that_does_not_open_is_made_anew_from_the_tables() -> None:
    bench, worker = second_attempt()
    damage_list(bench, 1)

    committed = bench.commit(worker.asked, worker.offer)

    assert committed.slot == 2
    assert bench.entries(2) == bench.recounted(2)
    assert bad_of(bench) == ()


def test_a_list_of_which_a_part_is_gone_is_made_anew_from_the_tables() -> None:
    bench, worker = second_attempt()
    (part,) = bench.find_commit(1).pack_list
    memory_of(bench, "control").delete(prefix_of_chain(CHAIN) + part.name)

    bench.commit(worker.asked, worker.offer)

    assert bench.entries(2) == bench.recounted(2)


def test_a_table_that_says_what_goes_and_does_not_open_has_the_list_counted_anew() -> None:
    bench, worker = all_anew()
    (old,) = bench_objects(bench, 1)
    damage_table(worker, old)

    committed = bench.commit(worker.asked, worker.offer)

    assert bench.restored(committed) == noise(6, BLOCKS * BLOCK)
    assert bench.entries(2) == bench.recounted(2)
    assert bad_of(bench) == ()


def all_anew() -> tuple[CommitBench, HostileWorker]:
    """Return a worker that has written every shard anew."""
    bench, before = second_attempt()
    asked = bench.asked(3, before.asked.base, BLOCKS)
    return bench, HostileWorker(bench, asked, bench.write(asked, noise(6, BLOCKS * BLOCK)))


def bench_objects(bench: CommitBench, slot: int) -> tuple[IndexObject, ...]:
    commit = bench.find_commit(slot)
    offer = Offer(commit.manifest_name or "", commit.manifest_sha256 or "", None)  # type: ignore[arg-type]
    return HostileWorker(bench, bench.asked(1), offer).manifest().objects


def test_a_kept_table_that_does_not_open_is_logged_as_bad_and_named_no_more() -> None:
    bench, worker = second_attempt()
    damage_list(bench, 1)
    old, _ = worker.manifest().objects
    damage_table(worker, old)

    with pytest.raises(LostAttempt) as lost:
        bench.commit(worker.asked, worker.offer)

    assert lost.value.reason == "DamagedTable"
    (bad,) = bad_of(bench)
    assert (bad.id, bad.what, bad.parts) == (
        old.index.packed().hex(),
        "damaged",
        (old.table_offset,),
    )
    content = bench.contents[worker.offer.name]
    again = bench.commit(worker.asked, bench.write(worker.asked, content))
    assert bench.restored(again) == content
    assert bench.entries(2) == bench.recounted(2)


def test_a_kept_table_that_is_missing_is_logged_so() -> None:
    bench, worker = second_attempt()
    damage_list(bench, 1)
    old, _ = worker.manifest().objects
    worker.data.delete(index_name(CHAIN, old.index))

    with pytest.raises(LostAttempt, match="not there"):
        bench.commit(worker.asked, worker.offer)

    assert [each.what for each in bad_of(bench)] == ["missing"]


def test_an_own_table_that_does_not_open_ends_the_attempt_and_is_not_logged() -> None:
    bench, worker = second_attempt()
    _, own = worker.manifest().objects
    damage_table(worker, own)

    with pytest.raises(LostAttempt) as lost:
        bench.commit(worker.asked, worker.offer)

    assert lost.value.reason == "DamagedTable"
    assert bad_of(bench) == ()


def test_what_a_skip_could_not_count_is_not_taken_for_what_is_not_needed() -> None:
    bench, worker = second_attempt()
    bench.commit(worker.asked, worker.offer)
    old, _ = worker.manifest().objects
    damage_table(worker, old)
    damage(worker.data, worker.offer.name)
    assert worker.asked.base is not None
    asked = bench.asked(4, worker.asked.base, BLOCKS)
    content = noise(7, BLOCK) + bench.contents[worker.asked.base.name][BLOCK:]

    with pytest.raises(LostAttempt) as lost:
        bench.commit(asked, bench.write(asked, content))

    assert bench.find_commit(3).kind == "skip"
    assert bench.entries(3) == []
    assert lost.value.reason == "DamagedTable"
    committed = bench.commit(asked, bench.write(asked, content))
    assert bench.restored(committed) == content
    assert bench.entries(4) == bench.recounted(4)


def entry(number: int, count: int = 1, *, session: int = 0, size: int = 9) -> ListEntry:
    row = SessionRow(CommitSlot(1), WritingSession(numbered(session)), run(1), 1)
    return ListEntry(PACK, row, number, size, count)


ENTRIES = st.lists(
    st.builds(
        lambda number, session: entry(number, session=session),
        st.integers(0, 30),
        st.integers(0, 3),
    ),
    max_size=200,
)


@given(ENTRIES, st.integers(1, 40))
def test_a_tally_counts_what_is_added_in_whatever_order(
    entries: list[ListEntry], pending: int
) -> None:
    tally = Tally(1000, pending=pending)

    tally.add(entries)

    assert list(tally.entries()) == summed(entries)


@given(ENTRIES, ENTRIES)
def test_a_difference_is_what_has_to_be_added(come: list[ListEntry], gone: list[ListEntry]) -> None:
    less = [each.counted(-each.count) for each in gone]

    assert list(difference(summed(come), summed(gone))) == summed([*come, *less])


def test_a_tally_refuses_more_than_there_can_be() -> None:
    tally = Tally(10, pending=4)

    tally.add(entry(number) for number in range(10))
    tally.settle()

    with pytest.raises(TooManyCounted, match="more than 10"):
        tally.add(entry(number) for number in range(20))


@pytest.mark.parametrize("pending", [1, 100])
def test_a_tally_refuses_one_object_of_two_sizes(pending: int) -> None:
    tally = Tally(10, pending=pending)

    with pytest.raises(DiffersFromItself):
        list(tally_of(tally, entry(1), entry(1, size=10)))


def tally_of(tally: Tally, *entries: ListEntry) -> Iterator[ListEntry]:
    tally.add(entries)
    yield from tally.entries()


def test_a_tally_of_many_packs_takes_little_memory() -> None:
    tally = Tally(10**6, pending=1024)
    tracemalloc.start()

    tally.add(entry(number) for number in range(5_000))
    tally.settle()
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert now < 2 * 5_000 * 17 + 20_000
