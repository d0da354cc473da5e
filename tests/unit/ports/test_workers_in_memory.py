"""Worker VMs and Run Commands in memory keep what Azure's keep."""

from __future__ import annotations

import pytest

from tests.contract.ports.suites import until_by
from tests.contract.ports.worker_facts import CommandFacts, WorkerFacts, WorkerPlace
from tests.worlds.memory_azure import APPLIANCE, AWAY, Azure
from tests.worlds.memory_regions import ready_region
from tests.worlds.memory_workers import MemoryCommands, MemoryWorkers
from tests.worlds.samples import RING
from tests.worlds.turned_clock import TurnedClock


@pytest.fixture
def place() -> WorkerPlace:
    azure = Azure(TurnedClock())
    workers, commands = MemoryWorkers(azure, RING), MemoryCommands(azure)
    region, until = ready_region(azure, AWAY), until_by(azure.clock)
    return WorkerPlace(workers, commands, region, RING, APPLIANCE, until)


class TestMemoryWorkers(WorkerFacts):
    over = (MemoryWorkers,)


class TestMemoryCommands(CommandFacts):
    over = (MemoryCommands,)
