"""Pieces of work that several threads go through."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vmbackup_core.repository.crew import work_through

WITHIN_S = 30.0


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 100])
def test_every_piece_is_worked_on_once(threads: int, count: int) -> None:
    done: list[int] = []
    work_through(iter(range(count)), done.append, threads)
    assert sorted(done) == [*range(count)]


def test_so_many_threads_work_at_once() -> None:
    together = threading.Barrier(4)

    def meet(_piece: int) -> None:
        together.wait(WITHIN_S)

    work_through(range(8), meet, 4)
    assert not together.broken


@pytest.mark.parametrize(("pieces", "threads"), [(1, 4), (5, 1)])
def test_a_single_thread_is_the_callers(pieces: int, threads: int) -> None:
    by: list[threading.Thread] = []
    work_through(range(pieces), lambda _piece: by.append(threading.current_thread()), threads)
    assert by == [threading.current_thread()] * pieces


def test_no_more_pieces_are_taken_ahead_than_there_are_threads() -> None:
    taken, done, ahead = [0], [0], [0]
    lock = threading.Lock()

    def pieces() -> Iterator[int]:
        for number in range(200):
            taken[0] += 1
            yield number

    def work(_piece: int) -> None:
        with lock:
            ahead[0] = max(ahead[0], taken[0] - done[0])
            done[0] += 1

    work_through(pieces(), work, 3)
    # Each thread may hold one that is done and not yet counted.
    assert ahead[0] <= 2 * 3


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_failure_ends_it_and_is_raised(threads: int) -> None:
    begun: list[int] = []

    def work(piece: int) -> None:
        begun.append(piece)
        if piece == 3:
            raise OSError("the third")

    with pytest.raises(OSError, match="the third"):
        work_through(iter(range(10_000)), work, threads)
    assert len(begun) < 10_000


@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_that_cannot_be_told_end_it(threads: int) -> None:
    def pieces() -> Iterator[int]:
        yield from range(5)
        raise OSError("no sixth")

    done: list[int] = []
    with pytest.raises(OSError, match="no sixth"):
        work_through(pieces(), done.append, threads)
    assert sorted(done) == [*range(5)]


def test_a_failure_waits_for_those_at_work() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(piece: int) -> None:
        if piece == 0:
            begun.wait(WITHIN_S)
            raise OSError("at once")
        begun.set()
        ended.wait(0.05)
        ended.set()

    with pytest.raises(OSError, match="at once"):
        work_through(range(2), work, 2)
    assert ended.is_set()


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    work_through(range(50), lambda _piece: None, 4)
    assert threading.active_count() == before
