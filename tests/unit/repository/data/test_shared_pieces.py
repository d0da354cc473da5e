"""Threads that find no request left help those that give what theirs have brought."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from vmbackup_core.repository.data.shared_pieces import PART_BLOCKS, SharedPieces


class Meeting:
    """Holds each thread until *count* of them give at once."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)
        self._met = threading.local()

    def wait(self) -> None:
        if not hasattr(self._met, "once"):
            self._met.once = True
            self._barrier.wait(60)


def test_one_requests_blocks_are_given_by_every_thread() -> None:
    meeting, lock, given = Meeting(3), threading.Lock(), list[int]()

    def give(_brought: str, marks: Sequence[int]) -> None:
        meeting.wait()
        with lock:
            given.extend(marks)

    marks = range(5 * PART_BLOCKS + 1)

    def bring(_request: int) -> tuple[str, Sequence[int]]:
        return "piece", marks

    SharedPieces(bring, give).work_through([1], 3)
    assert sorted(given) == [*marks]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_block_is_given_once_with_what_its_request_has_brought(threads: int) -> None:
    lock, given = threading.Lock(), list[tuple[int, int]]()

    def bring(request: int) -> tuple[int, Sequence[int]]:
        return request, range(request * 1_000, request * 1_000 + request * 7)

    def give(brought: int, marks: Sequence[int]) -> None:
        with lock:
            given.extend((brought, mark) for mark in marks)

    SharedPieces(bring, give).work_through(range(30), threads)
    wanted = [(each, each * 1_000 + at) for each in range(30) for at in range(each * 7)]
    assert sorted(given) == wanted


@pytest.mark.parametrize("fails", ["bring", "give"])
def test_the_first_failure_ends_it_and_leaves_no_thread_waiting(fails: str) -> None:
    def bring(request: int) -> tuple[int, Sequence[int]]:
        if fails == "bring" and request == 3:
            raise ValueError("request 3")
        return request, range(100)

    def give(brought: int, _marks: Sequence[int]) -> None:
        if fails == "give" and brought == 3:
            raise ValueError("request 3")

    before = threading.active_count()
    with pytest.raises(ValueError, match="request 3"):
        SharedPieces(bring, give).work_through(range(6), 4)
    assert threading.active_count() == before
