"""A small repository in memory: blocks of 4 KiB, shards of 16 blocks, packs of some 20 KiB."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.repository.bench import Bench
from vmbackup_core.repository import RepositoryKey, initialise
from vmbackup_core.stores.memory import MemoryStore


class StandingClock:
    """A clock that shows one moment."""

    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def bench() -> Bench:
    store, key = MemoryStore(), RepositoryKey(bytes(range(32)))
    repository = initialise(store, key, appliance_id="home", clock=StandingClock())
    return Bench(store, key, repository)
