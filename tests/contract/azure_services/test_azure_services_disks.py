"""Disks that are made for an upload, by Azure's adapter."""

from __future__ import annotations

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RING,
    Adapters,
    Cloud,
    until,
    writes,
)
from tests.contract.ports.disk_facts import DiskFacts, DiskPlace
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_operator.services.disks import AzureDisks
from vmbackup_operator.sessions.keys import read_key_ring
from vmbackup_operator.sessions.seen import SecretUrl

STRANGERS = read_key_ring({"2026": b"s" * 32, "active": b"2026"}, "another appliance's key ring")


@pytest.fixture
def place(cloud: Cloud, ours: Adapters) -> DiskPlace:
    def opens(url: SecretUrl) -> bool:
        """Tell what the export host answers to the SAS."""
        status: int = cloud.azure.call("POST", "/exports/try", {"url": url.value})["status"]
        assert status in {200, 403}
        return status == 200

    others = AzureDisks(ours.resources, ours.operations, STRANGERS.ownership(APPLIANCE))
    return DiskPlace(
        disks=AzureDisks(ours.resources, ours.operations, RING.ownership(APPLIANCE)),
        others=others,
        accesses=ours.disk_accesses,
        region=cloud.region,
        subscription=SUBSCRIPTION,
        group=seed.disk_id("any").split("/")[4],
        appliance=APPLIANCE,
        until=until,
        opens=opens,
    )


class TestAzureDisks(DiskFacts):
    pass


async def test_a_disk_that_is_as_it_is_to_be_is_not_written_again(
    cloud: Cloud, place: DiskPlace
) -> None:
    """A step asks at each of its looks, and by then a VM may hold the disk."""
    wanted = await place.wanted()
    await place.make(wanted)
    await place.grant(wanted)
    await place.until(lambda: place.disks.revoke(wanted.id, wanted.run_id))
    change = {"properties": {"networkAccessPolicy": "DenyAll"}}
    await place.until(lambda: place.disks.change(wanted.id, wanted.run_id, change))
    since = cloud.azure.last_entry()
    for _ in range(2):
        await place.until(lambda: place.disks.change(wanted.id, wanted.run_id, change))

    assert writes(cloud.azure.journal(since)) == []
    await place.end(wanted)
