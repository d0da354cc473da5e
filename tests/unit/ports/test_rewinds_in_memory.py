"""The doubles of VMs whose disks are swapped, and of copies, keep what their ports promise."""

from __future__ import annotations

import pytest

from tests.contract.ports.rewind_facts import (
    CopyFacts,
    CopyPlace,
    RewoundMachineFacts,
    SwapPlace,
)
from tests.contract.ports.suites import until_by
from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION, Azure
from tests.worlds.memory_rewinds import Copy, Loose, MemoryCopies, MemoryRewoundMachines
from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.samples import RING, VM, machine
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId, arm_id, snapshot_id
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import DiskSeen, SnapshotWanted

STRANGER = ApplianceKey("k1", b"s" * 32)
GROUP = ArmId(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/prod")


class TestMemoryRewoundMachines(RewoundMachineFacts):
    over = (MemoryRewoundMachines,)

    @pytest.fixture
    def place(self) -> SwapPlace:
        azure, loose = Azure(TurnedClock()), Loose()
        azure.machines[folded(VM)] = machine(disks=3)

        async def spare() -> ArmId:
            name = f"spare-{azure.number()}"
            disk_id = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/disks", name)
            disk = DiskSeen(disk_id, name, DiskUniqueId(name), None, 1 << 30, "Premium_LRS")
            loose.disks[folded(disk_id)] = disk
            return disk_id

        machines = MemoryRewoundMachines(azure, loose)
        return SwapPlace(machines, VM, spare, until_by(azure.clock))


class TestMemoryCopies(CopyFacts):
    over = (MemoryCopies,)

    @pytest.fixture
    async def place(self) -> CopyPlace:
        azure, loose = Azure(TurnedClock()), Loose()
        seen = azure.machines[folded(VM)] = machine(disks=1)
        until, strangers = until_by(azure.clock), KeyRing(STRANGER, {STRANGER.id: STRANGER})
        snapshots, disk = MemorySnapshots(azure, RING), seen.disks[0].id
        taken = snapshot_id(SUBSCRIPTION, "appliance", RunId("1" * 32), None)
        wanted = SnapshotWanted(taken, AWAY, disk, {})

        async def ready() -> bool:
            await snapshots.request(wanted)
            found = await snapshots.find(taken)
            return found is not None and found.ready

        await until(ready)

        async def made_by_others(copy_id: ArmId) -> None:
            theirs = Copy(copy_id, disk, {}, {}, "theirs", ready=True)
            loose.copies[folded(copy_id)] = theirs

        return CopyPlace(
            copies=MemoryCopies(azure, loose, RING.ownership(APPLIANCE)),
            others=MemoryCopies(azure, loose, strangers.ownership(APPLIANCE)),
            group=GROUP,
            region=AWAY,
            disk=disk,
            snapshot=taken,
            made_by_others=made_by_others,
            until=until,
        )
