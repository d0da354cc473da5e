"""Snapshots and disk accesses in memory keep what Azure's keep."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from tests.contract.ports.snapshot_facts import DiskAccessFacts, SnapshotFacts, SnapshotPlace
from tests.contract.ports.suites import until_by
from tests.worlds.lost_keys import check_keys
from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION, Azure
from tests.worlds.memory_regions import MemoryDiskAccesses, ready_region
from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.samples import RING, machine
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import SecretUrl


@pytest.fixture
def place() -> SnapshotPlace:
    azure = Azure(TurnedClock())
    azure.fence = partial(check_keys, azure, RING)
    seen = machine(1)
    disk = replace(seen.disks[0], size_bytes=4 << 30)
    azure.machines[seen.id.lower()] = replace(seen, disks=(disk,))

    def opens(url: SecretUrl) -> bool:
        return any(azure.open_sas(snapshot) == url.value for snapshot in [*azure.sas])

    async def remove(snapshot_id: ArmId) -> None:
        del azure.snapshots[folded(snapshot_id)]

    return SnapshotPlace(
        snapshots=MemorySnapshots(azure, RING),
        accesses=MemoryDiskAccesses(azure),
        region=ready_region(azure, AWAY),
        subscription=SUBSCRIPTION,
        group="backup",
        disk_id=disk.id,
        ring=RING,
        appliance=APPLIANCE,
        until=until_by(azure.clock),
        opens=opens,
        remove=remove,
    )


class TestMemorySnapshots(SnapshotFacts):
    over = (MemorySnapshots,)


class TestMemoryDiskAccesses(DiskAccessFacts):
    over = (MemoryDiskAccesses,)
