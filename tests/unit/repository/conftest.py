"""A small repository in memory: blocks of 4 KiB, shards of 16 blocks, packs of some 20 KiB."""

from __future__ import annotations

import pytest

from tests.unit.repository.bench import Bench, new_bench


@pytest.fixture
def bench() -> Bench:
    return new_bench()
