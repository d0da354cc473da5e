"""Recorders, expire and catalog sync interleaved at every call to the store."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import some_of
from tests.unit.repository.control.log_bench import pointless, recorded, wanting
from tests.unit.repository.control.repository_bench import (
    VM,
    RepositoryBench,
    finish_all,
)
from tests.unit.repository.stores_that_fail import DyingStore, Killed, interleave
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.log.log_entries import LogObject, Recorded
from vmbackup_core.repository.control.points.points import RecoveryPoint, stored_points
from vmbackup_core.repository.control.points.recording import (
    RecoveryPointExpired,
    examine_unlogged,
    record,
)
from vmbackup_core.repository.control.retention.expire import begin_expire
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.primitives.names import LOG
from vmbackup_core.stores.port import Store

Work = Callable[[Store], None]
CHOICES = st.lists(st.integers(0, 4), min_size=1, max_size=120)


def chooser(choices: list[int]) -> Callable[[int], int]:
    """Pick what was drawn, over and over: a short draw is still an interleaving."""
    drawn = iter(range(10**9))
    return lambda _among: choices[next(drawn) % len(choices)]


def recording(bench: RepositoryBench, point: RecoveryPoint, told: list[Recorded]) -> Work:
    def work(store: Store) -> None:
        told.append(record(bench.log(store=store), store, point))

    return work


def letting_go(bench: RepositoryBench, slot: int) -> Work:
    def work(store: Store) -> None:
        log = bench.log(store=store)
        begin_expire(log, [pointless(slot)])
        for _ in range(2):
            finish_all(log, store)

    return work


def syncing(bench: RepositoryBench) -> Work:
    def work(store: Store) -> None:
        list(examine_unlogged(bench.log(store=store), store, VM))

    return work


def recorded_in(bench: RepositoryBench) -> list[Recorded]:
    """Return all `recorded` entries that there are in the log, whether they count or not."""
    control = bench.control()
    found = (
        control.open("LOGO", control.get("LOGO", each.name), LogObject)
        for each in bench.store.list(LOG)
    )
    return [entry for said in found for entry in said.entries if isinstance(entry, Recorded)]


def check(bench: RepositoryBench, told: list[Recorded]) -> None:
    assert bench.complaints() == []
    syncing(bench)(bench.store)
    reading = bench.log().read()
    assert reading.findings == ()
    assert bench.complaints() == []
    assert {entry.point for entry in told} <= reading.state.counted.keys()
    logged = [entry.point for entry in recorded_in(bench)]
    assert len(logged) == len(set(logged))
    assert set(stored_points(bench.control(), VM)) == reading.state.counted.keys()


@given(CHOICES)
def test_points_count_once_or_never_whoever_is_faster(choices: list[int]) -> None:
    bench = RepositoryBench(side_by_side=1).begun()
    points = [bench.committed(number, number) for number in (1, 2)]
    bench.commit(3, 3)
    told: list[Recorded] = []
    works = [
        recording(bench, points[0], told),
        recording(bench, points[0], told),
        recording(bench, points[1], told),
        letting_go(bench, 1),
        syncing(bench),
    ]

    ended = interleave(bench.store, works, chooser(choices))

    assert all(end is None or isinstance(end, RecoveryPointExpired) for end in ended)
    assert ended[2] is None
    check(bench, told)


@given(CHOICES)
def test_two_who_expire_and_one_who_records_lose_nothing(choices: list[int]) -> None:
    bench = RepositoryBench(state_every=3, side_by_side=1).begun()
    for number in (1, 2):
        record(bench.log(), bench.store, bench.committed(number, number))
    point = bench.committed(3, 3)
    first, _ = bench.log().read().state.counted.values()
    told: list[Recorded] = []

    def expire(store: Store) -> None:
        log = bench.log(store=store)
        begin_expire(log, [entry_of(first)])
        finish_all(log, store)

    ended = interleave(
        bench.store, [recording(bench, point, told), expire, expire], chooser(choices)
    )

    assert ended == [None] * 3
    bench.finish()
    check(bench, told)
    assert len(told) == 1
    assert len(bench.log().read().state.counted) == 2


@given(CHOICES, st.integers(2, 6))
def test_as_many_as_append_at_once_are_all_in_the_log(choices: list[int], states: int) -> None:
    bench = RepositoryBench(state_every=states, side_by_side=1).begun()

    def appending(number: int) -> Work:
        def work(store: Store) -> None:
            log = bench.log(store=store)
            for slot in (number, number + 10):
                log.append(wanting(recorded(slot, slot)))

        return work

    ended = interleave(bench.store, [appending(number) for number in (1, 2, 3)], chooser(choices))

    assert ended == [None] * 3
    reading = bench.log().read()
    assert reading.findings == ()
    assert reading.number == 7
    assert len(reading.state.counted) == 6


@given(last=st.integers(1, 6), applied=st.booleans(), again=st.booleans())
def test_a_kill_at_any_write_is_made_good_by_the_next_pass(
    *,
    last: int,
    applied: bool,
    again: bool,
) -> None:
    bench = RepositoryBench(state_every=2).begun()
    point = bench.committed(1, 1)
    bench.commit(2, 2)
    dying = DyingStore(bench.store, last, applied=applied)
    try:
        record(bench.log(store=dying), dying, point)
        letting_go(bench, 2)(dying)
    except Killed:
        pass

    if again:
        record(bench.log(), bench.store, point)
    bench.finish()
    check(bench, [])


def test_a_point_and_its_letting_go_never_both_win() -> None:
    for turns in some_of(range(40)):
        bench = RepositoryBench(side_by_side=1).begun()
        point = bench.committed(1, 1)
        bench.commit(2, 2)
        told: list[Recorded] = []
        order = [0] * turns + [1] * 200

        ended = interleave(
            bench.store, [recording(bench, point, told), letting_go(bench, 1)], chooser(order)
        )

        assert not isinstance(ended[1], PermanentError)
        check(bench, told)
