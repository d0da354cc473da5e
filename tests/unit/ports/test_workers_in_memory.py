"""Worker VMs and Run Commands in memory keep what Azure's keep."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest

from tests.contract.ports.suites import until_by
from tests.contract.ports.worker_facts import CommandFacts, WorkerFacts, WorkerPlace
from tests.worlds.lost_keys import check_keys
from tests.worlds.memory_azure import APPLIANCE, AWAY, Azure
from tests.worlds.memory_regions import ready_region
from tests.worlds.memory_workers import MemoryCommands, MemoryWorkers
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.keys import read_key_ring

KEYS = {"2024": b"o" * 32, "2026": b"k" * 32, "active": b"2026"}
RING = read_key_ring(KEYS, "a key ring")


@pytest.fixture
def place() -> WorkerPlace:
    azure = Azure(TurnedClock())
    azure.fence = partial(check_keys, azure, RING)
    workers = MemoryWorkers(azure, RING)

    async def retag(vm_id: ArmId, tags: Mapping[str, str]) -> None:
        azure.worker_tags[folded(vm_id)] = tags

    async def remove(vm_id: ArmId) -> None:
        del azure.workers[folded(vm_id)]

    return WorkerPlace(
        workers=workers,
        commands=MemoryCommands(azure, workers),
        region=ready_region(azure, AWAY),
        ring=RING,
        appliance=APPLIANCE,
        until=until_by(azure.clock),
        retag=retag,
        remove=remove,
    )


class TestMemoryWorkers(WorkerFacts):
    over = (MemoryWorkers,)


class TestMemoryCommands(CommandFacts):
    over = (MemoryCommands,)
