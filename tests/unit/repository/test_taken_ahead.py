"""Pieces that are taken while the one before is worked on: all of them, and in order."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from vmbackup_core.repository.crew import taken_ahead


@pytest.mark.parametrize("threads", [1, 2])
def test_all_come_in_order(threads: int) -> None:
    assert [*taken_ahead(range(20), threads)] == [*range(20)]
    assert not [*taken_ahead((), threads)]


def test_the_next_is_taken_while_one_is_worked_on() -> None:
    second = Event()

    def pieces() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    ahead = taken_ahead(pieces(), 2)
    assert next(ahead) == 1
    assert second.wait(60)


def test_with_one_thread_none_is_taken_before_it_is_asked_for() -> None:
    taken = []

    def pieces() -> Iterator[int]:
        for piece in range(3):
            taken.append(piece)
            yield piece

    ahead = taken_ahead(pieces(), 1)
    next(ahead)
    assert taken == [0]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_fails_is_raised_behind_what_came_before_it(threads: int) -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    ahead = taken_ahead(pieces(), threads)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no more"):
        next(ahead)
