"""How many requests are under way: what an export bears, and fair to the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.export_host import ExportHost, Refused
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import Renewable, Stopped
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.source import Export
from vmbackup_worker.traffic import Lane, Pace, Traffic

NEVER = threading.Event()


def test_an_export_bears_everything_until_it_refuses() -> None:
    pace = Pace(8)
    assert (pace.limit, pace.wait_s(0)) == (8, 0)


def test_a_refusal_lowers_what_is_under_way_and_its_companions_no_further() -> None:
    pace = Pace(10)
    for _ in range(10):  # all ten were under way when the first was refused
        pace.refused(now=10, began=9, after_s=0)
    assert pace.limit == 7

    pace.refused(now=12, began=11, after_s=0)
    assert int(pace.limit) == 4
    for number in range(10):
        pace.refused(now=14 + 2 * number, began=13 + 2 * number, after_s=0)
    assert pace.limit == 1


def test_a_round_of_answers_allows_one_more_up_to_all() -> None:
    pace = Pace(10)
    pace.refused(now=10, began=9, after_s=0)
    limits = [int(pace.limit)]
    for _ in range(60):
        pace.answered()
        if int(pace.limit) != limits[-1]:
            limits.append(int(pace.limit))
    assert limits == [7, 8, 9, 10]


def test_nothing_is_asked_for_before_the_time_that_a_refusal_named() -> None:
    pace = Pace(8)
    pace.refused(now=10, began=9, after_s=7)
    pace.refused(now=10, began=9, after_s=3)
    assert [pace.wait_s(now) for now in (10, 13, 17)] == [7, 4, 0]


@given(st.lists(st.floats(0, 1.5), min_size=1, max_size=10))
def test_an_export_is_never_asked_more_often_than_it_takes(pauses: list[float]) -> None:
    begun = begun_by(Pace(64), pauses, count=3_000)
    first = 0
    for number, at in enumerate(begun):
        while begun[first] < at - 0.999:
            first += 1
        assert number - first < 480  # of the 500 that a page blob bears


def test_what_an_increment_asks_for_at_first_waits_for_nothing() -> None:
    pace, busy_s = Pace(64), 1 / 800  # what two processors make of what was read
    for number in range(450):
        assert pace.wait_s(10 + number * busy_s) == 0
        pace.begin(10 + number * busy_s)


def test_what_takes_long_is_asked_evenly() -> None:
    begun = begun_by(Pace(64), [0.0], count=4_000)
    late = begun[1_000:]
    assert max(after - before for before, after in pairwise(late)) < 0.01
    assert 390 < (len(late) - 1) / (late[-1] - late[0]) < 410


def begun_by(pace: Pace, pauses: list[float], count: int) -> list[float]:
    """Return when *count* requests begin, each as soon as it may; every 200th after a pause."""
    now, begun = 0.0, list[float]()
    for number in range(count):
        now += pauses[number // 200 % len(pauses)] if number % 200 == 0 else 0.0
        while wait_s := pace.wait_s(now):
            now += wait_s
        pace.begin(now)
        begun.append(now)
    return begun


def entered(lane: Lane, held: ExitStack) -> None:
    held.enter_context(lane.turn(NEVER))


def test_what_is_under_way_in_all_is_bounded() -> None:
    traffic = Traffic(2)
    stop, lanes = threading.Event(), [traffic.lane() for _ in range(3)]
    with ExitStack() as held:
        entered(lanes[0], held)
        entered(lanes[1], held)
        stop.set()
        with pytest.raises(Stopped):
            held.enter_context(lanes[2].turn(stop))
    with ExitStack() as held:  # what was given back may be had again, what was refused took none
        entered(lanes[2], held)
        entered(lanes[2], held)


def test_the_disk_with_fewer_requests_under_way_comes_first() -> None:
    traffic, order, lock = Traffic(4), list[str](), threading.Lock()
    greedy, modest = traffic.lane(), traffic.lane()

    def ask(lane: Lane, name: str) -> None:
        with lane.turn(NEVER):
            with lock:
                order.append(name)
            gate.wait(30)

    gate = threading.Event()
    with ThreadPoolExecutor(12) as pool:
        with ExitStack() as held:
            for _ in range(4):
                entered(greedy, held)
            for _ in range(8):
                pool.submit(ask, greedy, "greedy")
            for _ in range(3):
                pool.submit(ask, modest, "modest")
            while greedy.waiting < 8 or modest.waiting < 3:
                threading.Event().wait(0.01)
        while len(order) < 4:
            threading.Event().wait(0.01)
        shares = order.copy()
        gate.set()
    assert sorted(shares) == ["greedy", "greedy", "modest", "modest"]


def test_an_export_that_shall_not_be_asked_keeps_nobody_else_waiting() -> None:
    traffic = Traffic(4)
    paused, other = traffic.lane(), traffic.lane()
    paused.pace.refused(now=0, began=0, after_s=1e12)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        waiting = pool.submit(lambda: paused.turn(stop).__enter__())
        while not paused.waiting:
            threading.Event().wait(0.01)
        entered(other, held)
        entered(other, held)
        stop.set()
        with pytest.raises(Stopped):
            waiting.result(30)


@pytest.fixture
def pool() -> Iterator[ExportPool]:
    made = ExportPool(8)
    yield made
    made.clear()


def export_of(
    host: ExportHost,
    pool: ExportPool,
    stop: threading.Event | None = None,
    patience: Patience | None = None,
) -> Export:
    stop = stop or threading.Event()
    url, size_bytes = Renewable(host.url), len(host.disk)
    return Export("disk", url, size_bytes, pool, stop, renewal_s=0.05, patience=patience)


def read_with(export: Export, threads: int, pieces: int) -> list[bytes]:
    def piece(number: int) -> bytes:
        buffer = bytearray(512)
        export.read_into(512 * number, memoryview(buffer))
        return bytes(buffer)

    with ThreadPoolExecutor(threads) as readers:
        return list(readers.map(piece, range(pieces)))


def test_a_refusal_over_http_lowers_what_is_asked_at_once_and_waits_as_it_says(
    export_host: ExportHost, pool: ExportPool
) -> None:
    waits = list[float]()
    export = export_of(export_host, pool, patience=Patience(attempts=4, pause=waits.append))
    export_host.faults = [Refused(503, "ServerBusy", "1")]
    export.read_into(0, memoryview(bytearray(512)))

    assert waits[0] >= 1
    assert int(export.lane.pace.limit) == 5


@pytest.mark.parametrize("said", ["soon", "-5", "9" * 30, "86400", "Wed, 21 Oct 2076 07:28:00 GMT"])
def test_a_wait_that_is_none_or_too_long_is_not_obeyed(
    export_host: ExportHost, pool: ExportPool, said: str
) -> None:
    waits, stop = list[float](), threading.Event()

    def pause(seconds: float, /) -> None:
        waits.append(seconds)
        stop.set()

    export = export_of(export_host, pool, stop, Patience(attempts=4, pause=pause))
    export_host.faults = [Refused(429, "TooManyRequests", said)]
    with pytest.raises(Stopped):
        export.read_into(0, memoryview(bytearray(512)))

    assert max(waits) <= 300


def test_as_many_requests_as_there_are_readers_and_no_more_are_under_way(
    export_host: ExportHost,
) -> None:
    pool = ExportPool(2)
    export = export_of(export_host, pool)
    pieces = read_with(export, threads=8, pieces=64)
    pool.clear()

    assert b"".join(pieces) == export_host.disk[: 512 * 64]
    assert export_host.most_at_once <= 2
    assert len(export_host.connections) <= 2
