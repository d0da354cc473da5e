"""Snapshots and disk accesses from their creation to their end."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.contract.azure_services.cloud import APPLIANCE, RING, Adapters, Cloud, until
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import PermanentError, RefusedForNow
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId, arm_id
from vmbackup_operator.sessions.seen import SecretUrl, SnapshotWanted
from vmbackup_operator.sessions.tags import SEALED_TAG, MemberFacts, seal_tags

GROUP = "rg-backup"


@pytest.fixture(scope="module")
def disk_id(cloud: Cloud) -> ArmId:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-disks"
    cloud.azure.arm(group, "2022-09-01", {"location": seed.VM_REGION})
    disk = arm_id(SUBSCRIPTION, "rg-disks", "Microsoft.Compute/disks", "data")
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4}
    body = {
        "location": seed.VM_REGION,
        "sku": {"name": "Premium_LRS"},
        "properties": properties,
    }
    cloud.azure.arm(disk, "2023-10-02", body)
    return disk


@pytest.fixture
def wanted(disk_id: ArmId) -> SnapshotWanted:
    """A snapshot under a name that nobody used."""
    run = uuid.uuid4().hex
    name = f"vmb-{run[:20]}-0"
    snapshot = arm_id(SUBSCRIPTION, GROUP, "Microsoft.Compute/snapshots", name)
    facts = MemberFacts(
        run_id=RunId(run),
        virtual_machine_id=ArmId(seed.VM_ID),
        disk_id=disk_id,
        disk_unique_id=DiskUniqueId("unique"),
        lun=0,
        position=0,
        members=1,
    )
    sealed = seal_tags(RING.active, snapshot, facts)
    tags = {APPLIANCE_TAG: APPLIANCE, RUN_TAG: run, **sealed}
    return SnapshotWanted(snapshot, seed.VM_REGION, disk_id, tags)


async def taken(ours: Adapters, wanted: SnapshotWanted) -> None:
    async def ready() -> bool:
        await ours.snapshots.request(wanted)
        seen = await ours.snapshots.find(wanted.id)
        return seen is not None and seen.ready

    await until(ready)


async def exportable(cloud: Cloud, ours: Adapters, wanted: SnapshotWanted) -> ArmId:
    """Take the snapshot, tie it to a disk access and return that one's id."""
    await taken(ours, wanted)

    async def standing() -> ArmId | None:
        access = await ours.disk_accesses.ensure(cloud.region, 0)
        return access.id if access.ready else None

    access_id: ArmId = await until(standing)
    await until(lambda: ours.snapshots.associate(wanted.id, access_id))
    return access_id


def status_of(cloud: Cloud, url: SecretUrl) -> int:
    """Return what the export host answers to the SAS."""
    status: int = cloud.azure.call("POST", "/exports/try", {"url": url.value})["status"]
    return status


async def test_a_snapshot_begins_closed_with_its_tags(
    ours: Adapters, wanted: SnapshotWanted
) -> None:
    await taken(ours, wanted)

    seen = await ours.snapshots.find(wanted.id)

    assert seen is not None
    assert (seen.network_access, seen.public_access, seen.exported) == ("DenyAll", False, False)
    assert (seen.incremental, seen.size_bytes) == (True, 4 << 30)
    assert seen.tags == wanted.tags
    assert seen.source_disk_id.lower() == wanted.disk_id.lower()
    assert seen.source_unique_id


async def test_a_snapshot_that_is_taken_again_is_told_from_the_first(
    ours: Adapters, wanted: SnapshotWanted
) -> None:
    told_by = set()
    for _ in range(2):
        await taken(ours, wanted)
        seen = await ours.snapshots.find(wanted.id)
        assert seen is not None
        told_by.add(seen.unique_id)
        await until(lambda: ours.snapshots.delete(wanted.id))

    assert len(told_by) == 2


async def test_asking_twice_is_asking_once(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    before = cloud.azure.last_entry()
    await taken(ours, wanted)
    await taken(ours, wanted)

    puts = [
        e for e in cloud.azure.journal(before) if e["service"] == "arm" and e["method"] == "PUT"
    ]

    assert len(puts) == 1


async def test_a_deletion_that_azure_is_at_is_not_asked_for_again(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    await taken(ours, wanted)
    before = cloud.azure.last_entry()
    for _ in range(1000):
        if await ours.snapshots.delete(wanted.id):
            break
        await asyncio.sleep(0.01)

    asked = [
        e for e in cloud.azure.journal(before) if (e["service"], e["method"]) == ("arm", "DELETE")
    ]

    assert [e["status"] for e in asked] == [202]


async def test_a_snapshot_is_exported_through_its_disk_access_and_closed_again(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    access_id = await exportable(cloud, ours, wanted)
    url = await until(lambda: ours.snapshots.grant(wanted.id, 3600))
    exported = await ours.snapshots.find(wanted.id)
    await until(lambda: ours.snapshots.revoke(wanted.id))
    closed = await ours.snapshots.find(wanted.id)
    await until(lambda: ours.snapshots.delete(wanted.id))

    assert exported is not None
    assert closed is not None
    assert exported.network_access == "AllowPrivate"
    assert (exported.disk_access_id or "").lower() == access_id.lower()
    assert (exported.exported, closed.exported) == (True, False)
    assert "md-impexp-" in url.value
    assert "sig=" not in str(url)
    assert await ours.snapshots.find(wanted.id) is None


async def test_a_sas_ends_by_its_first_grant_though_it_is_asked_for_again(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    await exportable(cloud, ours, wanted)
    first = await until(lambda: ours.snapshots.grant(wanted.id, 20))
    again = await until(lambda: ours.snapshots.grant(wanted.id, 3600))
    opened = status_of(cloud, first)

    for _ in range(200):
        if status_of(cloud, again) != opened:
            break
        await asyncio.sleep(0.2)
    ended = await ours.snapshots.find(wanted.id)
    anew = await until(lambda: ours.snapshots.grant(wanted.id, 3600))
    tried = [status_of(cloud, url) for url in (first, anew)]
    await until(lambda: ours.snapshots.revoke(wanted.id))
    await until(lambda: ours.snapshots.delete(wanted.id))

    assert again == first
    assert first.expires_at is None
    assert opened == 200
    assert ended is not None
    assert not ended.exported
    assert tried == [403, 200]


async def test_only_an_end_of_access_gives_a_sas_a_new_life(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    await exportable(cloud, ours, wanted)
    first = await until(lambda: ours.snapshots.grant(wanted.id, 3600))

    await until(lambda: ours.snapshots.revoke(wanted.id))
    second = await until(lambda: ours.snapshots.grant(wanted.id, 3600))
    tried = [status_of(cloud, url) for url in (first, second)]
    await until(lambda: ours.snapshots.revoke(wanted.id))
    await until(lambda: ours.snapshots.delete(wanted.id))

    assert second != first
    assert tried == [403, 200]


async def test_a_disk_access_that_stands_is_not_written_again(cloud: Cloud, ours: Adapters) -> None:
    async def standing() -> bool:
        return (await ours.disk_accesses.ensure(cloud.region, 1)).ready

    await until(standing)
    before = cloud.azure.last_entry()

    await until(standing)

    entries = cloud.azure.journal(before)
    assert [e["path"] for e in entries if e["service"] == "arm" and e["method"] == "PUT"] == []
    listed = await ours.disk_accesses.of_region(cloud.region)
    assert [access.id.rsplit("-", 1)[1] for access in listed if access.ready][-1] == "1"


async def test_what_is_gone_counts_as_revoked_and_deleted(
    ours: Adapters, wanted: SnapshotWanted
) -> None:
    assert await until(lambda: ours.snapshots.revoke(wanted.id)) is True
    assert await until(lambda: ours.snapshots.delete(wanted.id)) is True


async def test_somebody_elses_snapshot_is_neither_listed_nor_deleted(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    foreign = SnapshotWanted(wanted.id, wanted.region, wanted.disk_id, {"team": "web"})
    await taken(ours, foreign)

    listed = await ours.snapshots.of_group(SUBSCRIPTION, GROUP)

    assert wanted.id.lower() not in {snapshot.id.lower() for snapshot in listed}
    with pytest.raises(PermanentError) as refused:
        await ours.snapshots.delete(wanted.id)
    assert refused.value.reason == "NotOurs"
    assert cloud.home.name


async def test_a_snapshot_with_the_plain_tag_alone_is_shown_and_not_deleted(
    ours: Adapters, wanted: SnapshotWanted
) -> None:
    plain = {"VMBackup-Appliance-Id": APPLIANCE}
    await taken(ours, SnapshotWanted(wanted.id, wanted.region, wanted.disk_id, plain))

    listed = await ours.snapshots.of_group(SUBSCRIPTION, GROUP)

    assert wanted.id.lower() in {snapshot.id.lower() for snapshot in listed}
    with pytest.raises(PermanentError, match="vmbackup-sealed is missing") as refused:
        await ours.snapshots.delete(wanted.id)
    assert refused.value.reason == "NotOurs"


async def test_a_snapshot_whose_key_left_the_ring_is_not_deleted_and_the_key_is_named(
    ours: Adapters, wanted: SnapshotWanted
) -> None:
    head = wanted.tags[SEALED_TAG].replace(" 2026 ", " 2025 ")
    older = SnapshotWanted(
        wanted.id, wanted.region, wanted.disk_id, {**wanted.tags, SEALED_TAG: head}
    )
    await taken(ours, older)

    with pytest.raises(PermanentError, match="key 2025,") as refused:
        await ours.snapshots.delete(wanted.id)

    assert refused.value.reason == "TagsKeyUnknown"
    assert await ours.snapshots.find(wanted.id) is not None


async def test_a_snapshot_of_a_disk_that_is_not_there_is_refused_by_name(
    ours: Adapters, wanted: SnapshotWanted
) -> None:
    nowhere = SnapshotWanted(wanted.id, wanted.region, ArmId(f"{wanted.disk_id}-x"), wanted.tags)

    with pytest.raises(RefusedForNow, match=f"{wanted.disk_id}-x") as refused:
        await taken(ours, nowhere)

    assert refused.value.reason == "NotFound"


async def test_an_end_of_access_that_nobody_saw_is_not_the_end_of_the_next_access(
    cloud: Cloud, ours: Adapters, wanted: SnapshotWanted
) -> None:
    await exportable(cloud, ours, wanted)
    await until(lambda: ours.snapshots.grant(wanted.id, 3600))
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


def _is_asked_to_end(cloud: Cloud, since: int) -> bool:
    return any("endGetAccess" in entry["path"] for entry in cloud.azure.journal(since))


async def _is_closed(ours: Adapters, snapshot: ArmId) -> bool:
    seen = await ours.snapshots.find(snapshot)
    return seen is not None and not seen.exported
