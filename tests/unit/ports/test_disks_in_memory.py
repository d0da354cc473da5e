"""Disks in memory keep what Azure's keep."""

from __future__ import annotations

import pytest

from tests.contract.ports.disk_facts import DiskFacts, DiskPlace
from tests.contract.ports.suites import until_by
from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION, Azure
from tests.worlds.memory_disks import MemoryDisks, opened_disk
from tests.worlds.memory_regions import MemoryDiskAccesses, ready_region
from tests.worlds.samples import RING
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import SecretUrl

STRANGER = ApplianceKey("k1", b"s" * 32)


@pytest.fixture
def place() -> DiskPlace:
    azure = Azure(TurnedClock())
    strangers = KeyRing(STRANGER, {STRANGER.id: STRANGER})

    def opens(url: SecretUrl) -> bool:
        return opened_disk(azure, url.value) is not None

    return DiskPlace(
        disks=MemoryDisks(azure, RING.ownership(APPLIANCE)),
        others=MemoryDisks(azure, strangers.ownership(APPLIANCE)),
        accesses=MemoryDiskAccesses(azure),
        region=ready_region(azure, AWAY),
        subscription=SUBSCRIPTION,
        group="restored",
        appliance=APPLIANCE,
        until=until_by(azure.clock),
        opens=opens,
    )


class TestMemoryDisks(DiskFacts):
    over = (MemoryDisks,)
