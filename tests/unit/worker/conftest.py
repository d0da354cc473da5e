"""A disk of 10 MiB behind an export host of its own, for each test that asks for it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

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
