"""The Archive tier in memory keeps what Azure's keeps."""

from __future__ import annotations

import pytest

from tests.contract.ports.archive_tier_facts import ArchivePlace, ArchiveTierFacts
from tests.worlds.memory_archive_tier import TAKES, ArchivedStore, MemoryArchiveTier
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.stores.archive_tier import Priority


class TestMemoryArchiveTier(ArchiveTierFacts):
    over = (MemoryArchiveTier,)

    @pytest.fixture
    def place(self) -> ArchivePlace:
        clock = TurnedClock()
        store = ArchivedStore(clock)

        def put(name: str, content: bytes) -> None:
            store.put_new(name, content)
            store.archive(name)

        def wait(priority: Priority) -> None:
            clock.turn(TAKES[priority].total_seconds())

        return ArchivePlace(store, MemoryArchiveTier(store), put, wait)
