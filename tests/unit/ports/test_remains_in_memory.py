"""What sessions left is found in memory as it is in Azure."""

from __future__ import annotations

import pytest

from tests.contract.ports.remains_facts import RemainsFacts, RemainsPlace
from tests.contract.ports.suites import until_by
from tests.contract.ports.worker_facts import WorkerPlace
from tests.worlds.memory_azure import APPLIANCE, AWAY, HOME, Azure
from tests.worlds.memory_disks import MemoryDisks
from tests.worlds.memory_queues import MemoryQueues
from tests.worlds.memory_regions import ready_region
from tests.worlds.memory_remains import MemoryRemains
from tests.worlds.memory_workers import MemoryCommands, MemoryWorkers
from tests.worlds.samples import RING
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.sessions.seen import Account, WorkerWanted


@pytest.fixture
def left() -> RemainsPlace:
    azure = Azure(TurnedClock())
    workers = MemoryWorkers(azure, RING)

    async def nothing(*_given: object) -> None:
        """Be somebody who is not in these facts."""

    async def leave_interface(wanted: WorkerWanted) -> None:
        azure.interfaces.add(folded(wanted.vm_id))

    async def leave_bundle(account: Account) -> str:
        azure.old_bundles[account.id] = {"0" * 16}
        return "0" * 16

    return RemainsPlace(
        remains=MemoryRemains(azure, (HOME, AWAY)),
        machines=WorkerPlace(
            workers=workers,
            commands=MemoryCommands(azure, workers),
            region=ready_region(azure, AWAY),
            ring=RING,
            appliance=APPLIANCE,
            until=until_by(azure.clock),
            retag=nothing,
            remove=nothing,
        ),
        queues=MemoryQueues(azure),
        home=ready_region(azure, HOME),
        disks=MemoryDisks(azure, RING.ownership(APPLIANCE)),
        group="restored",
        leave_interface=leave_interface,
        leave_bundle=leave_bundle,
    )


class TestMemoryRemains(RemainsFacts):
    over = (MemoryRemains,)
