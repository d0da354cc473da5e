"""Snapshots and disk accesses of Azure's adapters, from their creation to their end."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RING,
    Adapters,
    Cloud,
    as_administrator,
    until,
)
from tests.contract.ports.snapshot_facts import DiskAccessFacts, SnapshotFacts, SnapshotPlace
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.snapshots import AzureSnapshots, SnapshotOwner
from vmbackup_operator.sessions.seen import SecretUrl


def make_disk(cloud: Cloud) -> ArmId:
    """Return a disk of which nobody took a snapshot yet: Azure takes seven in five minutes."""
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-disks"
    cloud.azure.arm(group, "2022-09-01", {"location": seed.VM_REGION})
    name = f"data-{uuid.uuid4().hex[:12]}"
    disk = arm_id(SUBSCRIPTION, "rg-disks", "Microsoft.Compute/disks", name)
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4}
    sku = {"name": "Premium_LRS"}
    body = {"location": seed.VM_REGION, "sku": sku, "properties": properties}
    cloud.azure.arm(disk, "2023-10-02", body)
    return disk


@pytest.fixture
def place(cloud: Cloud, ours: Adapters) -> SnapshotPlace:
    def opens(url: SecretUrl) -> bool:
        """Tell what the export host answers to the SAS."""
        status: int = cloud.azure.call("POST", "/exports/try", {"url": url.value})["status"]
        assert status in {200, 403}
        return status == 200

    async def remove(snapshot_id: ArmId) -> None:
        await as_administrator(lambda: cloud.azure.remove(snapshot_id, "2023-10-02"))

    return SnapshotPlace(
        snapshots=ours.snapshots,
        accesses=ours.disk_accesses,
        region=cloud.region,
        subscription=SUBSCRIPTION,
        group="rg-backup",
        disk_id=make_disk(cloud),
        ring=RING,
        appliance=APPLIANCE,
        until=until,
        opens=opens,
        remove=remove,
    )


class TestAzureSnapshots(SnapshotFacts):
    pass


class TestAzureDiskAccesses(DiskAccessFacts):
    pass


def puts(cloud: Cloud, since: int) -> list[str]:
    entries = cloud.azure.journal(since)
    return [e["path"] for e in entries if e["service"] == "arm" and e["method"] == "PUT"]


async def test_asking_twice_is_asking_once(cloud: Cloud, place: SnapshotPlace) -> None:
    before, wanted = cloud.azure.last_entry(), place.wanted()
    await place.take(wanted)
    await place.take(wanted)

    assert len(puts(cloud, before)) == 1


async def test_a_deletion_that_azure_is_at_is_not_asked_for_again(
    cloud: Cloud, ours: Adapters, place: SnapshotPlace
) -> None:
    wanted = place.wanted()
    await place.take(wanted)
    before = cloud.azure.last_entry()
    for _ in range(1000):
        if await ours.snapshots.delete(wanted.id):
            break
        await asyncio.sleep(0.01)

    asked = [
        e for e in cloud.azure.journal(before) if (e["service"], e["method"]) == ("arm", "DELETE")
    ]

    assert [e["status"] for e in asked] == [202]


async def test_a_disk_access_that_stands_is_not_written_again(
    cloud: Cloud, place: SnapshotPlace
) -> None:
    await place.stand(1)
    before = cloud.azure.last_entry()

    await place.stand(1)

    assert puts(cloud, before) == []


async def test_an_end_of_access_that_nobody_saw_is_not_the_end_of_the_next_access(
    cloud: Cloud, ours: Adapters, place: SnapshotPlace
) -> None:
    wanted = place.wanted()
    await place.tie(wanted)
    await place.grant(wanted)
    before = cloud.azure.last_entry()
    ending = asyncio.create_task(ours.snapshots.revoke(wanted.id))
    while not _is_asked_to_end(cloud, before):
        await asyncio.sleep(0)
        assert not ending.done() or _is_asked_to_end(cloud, before)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    await until(lambda: _is_closed(ours, wanted.id))

    await until(lambda: ours.snapshots.grant(wanted.id, 3600))
    await until(lambda: ours.snapshots.revoke(wanted.id))

    assert await _is_closed(ours, wanted.id)


async def test_access_that_was_granted_waits_for_whoever_asked_for_it(
    cloud: Cloud, ours: Adapters, place: SnapshotPlace
) -> None:
    wanted = place.wanted()
    await place.tie(wanted)
    # What does not last is dropped at its end where nobody stands by to take it.
    operations = Operations(patience_s=0, good_for_s=0)
    snapshots = AzureSnapshots(ours.resources, operations, SnapshotOwner(APPLIANCE, RING))
    before = cloud.azure.last_entry()
    assert await snapshots.grant(wanted.id, 3600) is None
    await until(_no_grant_is_under_way)

    url = await snapshots.grant(wanted.id, 3600)
    await operations.close()

    assert url is not None
    assert place.opens(url)
    asked = [entry["path"] for entry in cloud.azure.journal(before) if entry["method"] == "POST"]
    assert sum("beginGetAccess" in path for path in asked) == 1


async def _no_grant_is_under_way() -> bool:
    return not any(task.get_name().startswith("grant ") for task in asyncio.all_tasks())


def _is_asked_to_end(cloud: Cloud, since: int) -> bool:
    return any("endGetAccess" in entry["path"] for entry in cloud.azure.journal(since))


async def _is_closed(ours: Adapters, snapshot: ArmId) -> bool:
    seen = await ours.snapshots.find(snapshot)
    return seen is not None and not seen.exported
