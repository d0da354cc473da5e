"""What is restored goes out while the rest is read: all but a little of it, of every thread."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given

from tests.unit.repository.data.samples import SEEDS
from vmbackup_operator.cli.writing_out import WritingOut, begin_to_write_out

PIECE, BLOCK, THREADS = 1000, 64, 3


@pytest.fixture(name="descriptor")
def _descriptor(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "disk", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


class Begun:
    """Hears what begins to go out."""

    def __init__(self) -> None:
        self.ranges: list[range] = []

    def __call__(self, _descriptor: int, offset: int, length: int) -> None:
        self.ranges.append(range(offset, offset + length))

    def lacks(self, offset: int) -> bool:
        return not any(offset in each for each in self.ranges)


@given(SEEDS)
def test_less_than_a_piece_waits_for_the_end(draw: random.Random) -> None:
    begun, descriptor = Begun(), os.memfd_create("disk")
    out = WritingOut(descriptor, PIECE, begun)
    blocks = draw.sample(range(500), 200)

    for block in blocks:
        out.write_all(block * BLOCK, b"x" * BLOCK)

    os.close(descriptor)
    assert begun.ranges
    assert sum(begun.lacks(block * BLOCK) for block in blocks) * BLOCK < PIECE


def test_threads_that_write_far_apart_begin_each_their_own(descriptor: int) -> None:
    begun = Begun()
    out, together = WritingOut(descriptor, PIECE, begun), Barrier(THREADS)

    def write(thread: int) -> None:
        for block in range(50):
            together.wait()
            out.write_all(thread * 1_000_000 + block * BLOCK, b"x" * BLOCK)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, range(THREADS)))

    assert len({each.start // 1_000_000 for each in begun.ranges}) == THREADS
    assert max(len(each) for each in begun.ranges) < PIECE + BLOCK


def test_what_went_out_early_is_what_was_written(descriptor: int) -> None:
    out = WritingOut(descriptor, PIECE)
    content = os.urandom(BLOCK * 100)

    for at in range(0, len(content), BLOCK):
        out.write_all(at, content[at : at + BLOCK])

    assert os.pread(descriptor, len(content), 0) == content


def test_where_no_such_advice_is_known_nothing_ends() -> None:
    reads, writes = os.pipe()

    begin_to_write_out(writes, 0, PIECE)

    os.close(reads)
    os.close(writes)
