"""Large pieces of files, read into memory that is used again once nobody has it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.repository.data.samples import seeded
from vmbackup_core.stores.kept_reads import LEAST_BYTES, MOST_BYTES, KeptReads

SIZE = MOST_BYTES + 3 * LEAST_BYTES
CONTENT = seeded(7).randbytes(SIZE)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "pack"
    path.write_bytes(CONTENT)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


PIECES = [
    (0, 2 * LEAST_BYTES),
    (100, LEAST_BYTES),
    (5, 5 * LEAST_BYTES + 1),
    (7, 100),
    (1, MOST_BYTES),
    (0, SIZE),
    (3, LEAST_BYTES),
    (SIZE - LEAST_BYTES - 1, 4 * LEAST_BYTES),
    (SIZE - 1, LEAST_BYTES),
    (SIZE, LEAST_BYTES),
    (SIZE + 5, 10),
    (9, 0),
]


def test_each_piece_is_what_the_file_has_there(opened: int) -> None:
    reads = KeptReads()
    for offset, length in PIECES:
        assert reads.read(opened, offset, length) == CONTENT[offset : offset + length]


def test_a_piece_that_somebody_has_stays_as_it_is(opened: int) -> None:
    reads = KeptReads()
    pieces = [reads.read(opened, offset, length) for offset, length in PIECES]
    with memoryview(reads.read(opened, 11, LEAST_BYTES)) as view:
        reads.read(opened, 12, LEAST_BYTES)
        assert view == CONTENT[11 : 11 + LEAST_BYTES]
    assert pieces == [CONTENT[offset : offset + length] for offset, length in PIECES]


def test_memory_that_nobody_has_any_more_is_used_again(opened: int) -> None:
    reads, length = KeptReads(), 8 * LEAST_BYTES
    assert len(reads.read(opened, 0, length)) == length
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for offset in range(10):
        assert len(reads.read(opened, offset, length)) == length
    pages = length // resource.getpagesize()
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before < pages
