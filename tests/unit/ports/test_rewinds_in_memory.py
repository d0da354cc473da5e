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
from tests.contract.ports.worker_disk_facts import WorkerDiskFacts, WorkerDiskPlace
from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION, Azure
from tests.worlds.memory_rewinds import Copy, Loose, MemoryCopies, MemoryRewoundMachines
from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.memory_worker_disks import MemoryWorkerDisks
from tests.worlds.memory_workers import MemoryWorkers, put_worker
from tests.worlds.samples import RING, VM, machine
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import DiskUniqueId, RunId, WorkerId
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


class TestMemoryWorkerDisks(WorkerDiskFacts):
    over = (MemoryWorkerDisks,)

    @pytest.fixture
    def place(self) -> WorkerDiskPlace:
        azure, loose = Azure(TurnedClock()), Loose()
        users = azure.machines[folded(VM)] = machine(disks=2)
        workers = [
            arm_id(SUBSCRIPTION, "workers", "Microsoft.Compute/virtualMachines", name)
            for name in ("worker-1", "worker-2")
        ]
        for number, each in enumerate(workers):
            put_worker(azure, RING, each, WorkerId(f"worker-{number}"), "running")

        async def spare() -> ArmId:
            name = f"spare-{azure.number()}"
            disk_id = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/disks", name)
            loose.copies[folded(disk_id)] = Copy(disk_id, VM, {}, {}, name, ready=True)
            return disk_id

        async def holder(disk_id: ArmId) -> str:
            of_user = any(folded(each.id) == folded(disk_id) for each in users.disks)
            return folded(VM) if of_user else loose.worker_of(azure, disk_id) or ""

        memory = MemoryWorkers(azure, RING)
        return WorkerDiskPlace(
            disks=MemoryWorkerDisks(azure, loose, memory),
            workers=memory,
            worker=workers[0],
            other=workers[1],
            users_disk=users.disks[1].id,
            spare=spare,
            holder=holder,
            until=until_by(azure.clock),
        )
