"""Writers of one chain, expire and prune, in random interleavings of their calls to the store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.bench import BLOCK, Bench, new_bench, noise, run_id
from tests.unit.repository.documented_garbage import expire, prune
from tests.unit.repository.stores_that_fail import interleave
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository import CommittedDisk
from vmbackup_core.stores.port import NotStored, Store

OLD = noise(1, 6 * BLOCK) + bytes(4 * BLOCK) + noise(2, 12 * BLOCK)
FIRST = noise(3, 5 * BLOCK) + OLD[5 * BLOCK :]
SECOND = OLD[: 10 * BLOCK] + noise(4, 6 * BLOCK) + OLD[16 * BLOCK :] + noise(5, 100)

Work = Callable[[Store], None]
Choices = st.lists(st.integers(0, 5), min_size=1, max_size=400)


def chooser(choices: list[int]) -> Callable[[int], int]:
    """Pick what was drawn, over and over: a short draw is still an interleaving."""
    at = -1

    def choose(_among: int) -> int:
        nonlocal at
        at += 1
        return choices[at % len(choices)]

    return choose


def backing_up(bench: Bench, number: int, content: bytes, done: list[CommittedDisk]) -> Work:
    def work(store: Store) -> None:
        done.append(bench.back_up(number, content, store=store))

    return work


@given(Choices)
def test_two_runs_of_one_chain_both_commit_and_both_restore(choices: list[int]) -> None:
    bench = new_bench()
    bench.record(1, bench.back_up(1, OLD), len(OLD))
    first: list[CommittedDisk] = []
    second: list[CommittedDisk] = []

    ended = interleave(
        bench.store,
        [backing_up(bench, 2, FIRST, first), backing_up(bench, 3, SECOND, second)],
        chooser(choices),
    )

    assert ended == [None, None]
    assert {first[0].slot, second[0].slot} == {2, 3}
    assert bench.restored(bench.record(2, first[0], len(FIRST))) == FIRST
    assert bench.restored(bench.record(3, second[0], len(SECOND))) == SECOND
    assert bench.repository.check(read_data=True).findings == ()


@given(Choices)
def test_two_sessions_of_one_run_answer_with_one_commit(choices: list[int]) -> None:
    bench = new_bench()
    bench.record(1, bench.back_up(1, OLD), len(OLD))
    done: list[CommittedDisk] = []

    ended = interleave(
        bench.store, [backing_up(bench, 2, FIRST, done) for _ in range(2)], chooser(choices)
    )

    assert ended == [None, None]
    assert done[0] == done[1]
    assert len(bench.names("k")) == 2
    assert bench.restored(bench.record(2, done[0], len(FIRST))) == FIRST


@given(Choices)
def test_prune_and_expire_take_nothing_that_writers_or_points_need(choices: list[int]) -> None:
    bench = new_bench()
    bench.record(1, bench.back_up(1, OLD), len(OLD))
    kept = bench.record(2, bench.back_up(2, FIRST + OLD), len(FIRST + OLD))
    first: list[CommittedDisk] = []
    second: list[CommittedDisk] = []

    def pruning(store: Store) -> None:
        prune(bench.chain(store))
        prune(bench.chain(store))

    def expiring(store: Store) -> None:
        expire(bench.chain(store), CommitSlot(1), run_id(1))

    ended = interleave(
        bench.store,
        [
            backing_up(bench, 3, FIRST, first),
            backing_up(bench, 3, FIRST, first),
            backing_up(bench, 4, SECOND, second),
            pruning,
            expiring,
        ],
        chooser(choices),
    )

    assert ended == [None] * 5
    assert bench.restored(kept) == FIRST + OLD
    assert bench.restored(bench.record(3, first[0], len(FIRST))) == FIRST
    assert bench.restored(bench.record(4, second[0], len(SECOND))) == SECOND
    assert bench.repository.check(read_data=True).findings == ()
    prune(bench.chain())
    assert bench.repository.check(read_data=True).unreferenced_packs == 0
    assert bench.repository.check(read_data=True).findings == ()


@given(Choices)
def test_a_writer_begins_again_when_the_commit_it_builds_on_expires(choices: list[int]) -> None:
    """The newest commit is overtaken, expires and is pruned while a writer still reads it."""
    bench = new_bench()
    bench.back_up(1, OLD)
    done: list[CommittedDisk] = []

    def overtaking(store: Store) -> None:
        bench.back_up(2, SECOND, store=store)
        expire(bench.chain(store), CommitSlot(1), run_id(1))
        prune(bench.chain(store))

    ended = interleave(
        bench.store, [backing_up(bench, 3, FIRST, done), overtaking], chooser(choices)
    )

    assert ended == [None, None]
    assert bench.restored(bench.record(3, done[0], len(FIRST))) == FIRST
    assert bench.repository.check(read_data=True).findings == ()


def test_without_the_rule_for_free_slots_prune_takes_what_a_writer_needs() -> None:
    """The suite can fail: a prune that ignores whether a slot is free breaks a backup."""
    bench = new_bench()
    bench.back_up(1, OLD)

    def careless(store: Store) -> None:
        for each in store.list(bench.chain().full_name("p/00000002-")):
            store.delete(each.name)

    done: list[CommittedDisk] = []
    turns = iter([0] * 16 + [1] * 100)
    interleave(
        bench.store,
        [backing_up(bench, 2, FIRST, done), careless],
        lambda _among: next(turns, 0),
    )

    assert bench.repository.check(read_data=False).findings
    point = bench.record(2, done[0], len(FIRST))
    with pytest.raises(NotStored, match="/p/00000002-"):
        bench.restored(point)
