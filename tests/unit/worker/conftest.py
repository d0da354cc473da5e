"""A disk of 10 MiB behind an export host, or an agent at work, for each test that asks for one."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.unit.worker.agent_at_work import Bench
from tests.unit.worker.export_host import ExportHost, export_host

MIB = 1024 * 1024

#: The last one reaches into the VHD's footer.
RANGES = [(0, 4095), (3 * MIB, 9 * MIB - 1), (10 * MIB - 512, 10 * MIB + 511)]


@pytest.fixture(name="export_host")
def small_disk() -> Iterator[ExportHost]:
    """Three extents hold something."""
    disk, content = bytearray(10 * MIB), random.Random(1)  # noqa: S311 - the same each time
    for start, end in RANGES:
        stop = min(end + 1, len(disk))
        disk[start:stop] = content.randbytes(stop - start)
    with export_host(bytes(disk), RANGES) as host:
        yield host


@pytest.fixture
def bench() -> Iterator[Bench]:
    """An agent that is stopped behind the test."""
    made = Bench()
    made.thread.start()
    yield made
    made.leave()
