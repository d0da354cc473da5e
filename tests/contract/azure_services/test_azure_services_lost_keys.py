"""While a key that seals something of a region is lost, no adapter writes or deletes there."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RING,
    Adapters,
    Cloud,
    adapters,
    settings_for,
    until,
    writes,
)
from tests.contract.azure_services.conftest import become_the_operator
from tests.contract.ports.snapshot_facts import disk_access_of
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId, RunId, WorkerId
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    RUN_TAG,
    WORKER_TAG,
    ArmId,
    arm_id,
    worker_vm_name,
)
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import (
    CommandWanted,
    Region,
    SnapshotWanted,
    WorkerWanted,
)
from vmbackup_operator.sessions.tags import MemberFacts, open_tags, seal_tags

OLD, NEW = ApplianceKey("old", b"o" * 32), RING.active
FIRST = KeyRing(OLD, {"old": OLD})
ROTATED = KeyRing(NEW, {"old": OLD, NEW.id: NEW})
#: A region that no other test uses: what is lost there is lost to nobody else, while it is listed.
#: Where something unlisted lies nobody can tell, so what the lost key sealed is removed in the end.
REGION = "swedencentral"
#: A Run Command that a worker has when the key is lost.
EARLIER = "earlier"
#: Whose seals are noted when they are listed.
SEALED = {
    "Microsoft.Compute/snapshots": "2023-10-02",
    "Microsoft.Compute/virtualMachines": "2024-03-01",
}


@dataclass
class Place:
    """A region with a worker and a snapshot that each of the two keys sealed."""

    region: Region
    workers: dict[str, WorkerWanted]
    snapshots: dict[str, SnapshotWanted]
    disk_id: ArmId


def worker_wanted(region: Region, ring: KeyRing) -> WorkerWanted:
    worker = WorkerId(f"{uuid.uuid4().hex[:20]}-1")
    vm_id = arm_id(
        SUBSCRIPTION,
        region.resource_group,
        "Microsoft.Compute/virtualMachines",
        worker_vm_name(worker),
    )
    sealed = ring.ownership(APPLIANCE).sealed_tag(vm_id)
    tags = {APPLIANCE_TAG: APPLIANCE, WORKER_TAG: worker, **sealed}
    return WorkerWanted(vm_id, worker, RunId(uuid.uuid4().hex), region, tags)


def snapshot_wanted(disk_id: ArmId, key: ApplianceKey) -> SnapshotWanted:
    run = uuid.uuid4().hex
    snapshot = arm_id(SUBSCRIPTION, "rg-backup", "Microsoft.Compute/snapshots", f"vmb-{run[:20]}-0")
    facts = MemberFacts(
        run_id=RunId(run),
        virtual_machine_id=ArmId(seed.VM_ID),
        disk_id=disk_id,
        disk_unique_id=DiskUniqueId("unique"),
        lun=0,
        position=0,
        members=1,
    )
    tags = {APPLIANCE_TAG: APPLIANCE, RUN_TAG: run, **seal_tags(key, snapshot, facts)}
    return SnapshotWanted(snapshot, REGION, disk_id, tags)


async def _launch(ours: Adapters, wanted: WorkerWanted) -> None:
    async def running() -> bool:
        return (await ours.workers.ensure(wanted)).state == "running"

    await until(running)


async def _send(ours: Adapters, wanted: CommandWanted) -> None:
    async def sent() -> bool:
        await ours.commands.run(wanted)
        return await ours.commands.find(wanted.vm_id, wanted.name) is not None

    await until(sent)


async def _take(ours: Adapters, wanted: SnapshotWanted) -> None:
    async def ready() -> bool:
        await ours.snapshots.request(wanted)
        seen = await ours.snapshots.find(wanted.id)
        return seen is not None and seen.ready

    await until(ready)


async def _make(cloud: Cloud, disk_id: ArmId) -> Place:
    async with adapters(settings_for(APPLIANCE, cloud.bundle), ring=ROTATED) as ours:
        region = await ours.ready(REGION)
        workers = {"old": worker_wanted(region, FIRST), "new": worker_wanted(region, RING)}
        snapshots = {"old": snapshot_wanted(disk_id, OLD), "new": snapshot_wanted(disk_id, NEW)}
        for worker in workers.values():
            await _launch(ours, worker)
        earlier = CommandWanted(workers["new"].vm_id, EARLIER, region.region, "true", {})
        await _send(ours, earlier)
        for snapshot in snapshots.values():
            await _take(ours, snapshot)
    return Place(region, workers, snapshots, disk_id)


def _remove_what_the_lost_key_sealed(cloud: Cloud, groups: tuple[str, ...]) -> None:
    there = [each for group in groups for each in cloud.azure.resources(group)]
    for kind, version in SEALED.items():
        for identity in there:
            if f"/{kind}/".lower() not in identity.lower():
                continue
            tags = cloud.azure.read(identity, version).get("tags") or {}
            if any(value.startswith(f"1 {OLD.id} ") for value in tags.values()):
                cloud.azure.remove(identity, version)


@pytest.fixture(scope="module")
def place(cloud: Cloud) -> Iterator[Place]:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-lost"
    cloud.azure.arm(group, "2022-09-01", {"location": REGION})
    disk = arm_id(SUBSCRIPTION, "rg-lost", "Microsoft.Compute/disks", "data")
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4}
    body = {"location": REGION, "sku": {"name": "Premium_LRS"}, "properties": properties}
    cloud.azure.arm(disk, "2023-10-02", body)
    with pytest.MonkeyPatch.context() as patch:
        become_the_operator(patch, cloud.ready)
        made = asyncio.run(_make(cloud, disk))
    yield made
    _remove_what_the_lost_key_sealed(cloud, ("rg-backup", made.region.resource_group))


@pytest.fixture
async def lost(cloud: Cloud, place: Place, operators_environment: None) -> AsyncIterator[Adapters]:
    """The adapters after the older key was dropped, and after they saw what is there."""
    del operators_environment
    async with adapters(settings_for(APPLIANCE, cloud.bundle), ring=RING) as made:
        await made.workers.of_group(SUBSCRIPTION, place.region.resource_group)
        await made.snapshots.of_group(SUBSCRIPTION, "rg-backup")
        yield made


def _command(place: Place) -> CommandWanted:
    vm_id = place.workers["new"].vm_id
    return CommandWanted(vm_id, "launch", place.region.region, "true", {})


Act = Callable[[Adapters, Place], Awaitable[object]]
ACTS: dict[str, Act] = {
    "environment": lambda ours, place: ours.regions.ensure(SUBSCRIPTION, place.region.region, ()),
    "disk access": lambda ours, place: ours.disk_accesses.ensure(
        place.region, disk_access_of(place.region, APPLIANCE, 3)
    ),
    "launch": lambda ours, place: ours.workers.ensure(worker_wanted(place.region, RING)),
    "deallocate": lambda ours, place: ours.workers.deallocate(place.workers["new"].vm_id),
    "delete a worker": lambda ours, place: ours.workers.delete(place.workers["new"].vm_id),
    "delete one of the lost key": lambda ours, place: ours.workers.delete(
        place.workers["old"].vm_id
    ),
    "start one of the lost key": lambda ours, place: ours.workers.start(place.workers["old"].vm_id),
    "deallocate one of the lost key": lambda ours, place: ours.workers.deallocate(
        place.workers["old"].vm_id
    ),
    "look at one of the lost key": lambda ours, place: ours.workers.find(
        place.workers["old"].vm_id
    ),
    "seal one of the lost key": lambda ours, place: ours.workers.seal(place.workers["old"].vm_id),
    "send a command": lambda ours, place: ours.commands.run(_command(place)),
    "send a command to one of the lost key": lambda ours, place: ours.commands.run(
        CommandWanted(place.workers["old"].vm_id, "launch", place.region.region, "true", {})
    ),
    "delete a command": lambda ours, place: ours.commands.delete(
        place.workers["new"].vm_id, EARLIER
    ),
    "delete a command of the lost key": lambda ours, place: ours.commands.delete(
        place.workers["old"].vm_id, "launch"
    ),
    "take a snapshot": lambda ours, place: ours.snapshots.request(
        snapshot_wanted(place.disk_id, NEW)
    ),
    "associate": lambda ours, place: ours.snapshots.associate(place.snapshots["new"].id, None),
    "grant": lambda ours, place: ours.snapshots.grant(place.snapshots["new"].id, 3600),
    "seal a snapshot": lambda ours, place: ours.snapshots.seal(
        place.snapshots["new"].id, {"vmbackup-sealed": "1 new 0"}
    ),
    "delete a snapshot": lambda ours, place: ours.snapshots.delete(place.snapshots["new"].id),
}


@pytest.mark.parametrize("act", list(ACTS))
async def test_nothing_is_written_or_deleted_while_a_key_is_lost(
    cloud: Cloud, place: Place, lost: Adapters, act: str
) -> None:
    before = cloud.azure.last_entry()

    with pytest.raises(PermanentError, match="'old'") as refused:
        await ACTS[act](lost, place)

    assert refused.value.reason == "KeyRingIncomplete"
    assert writes(cloud.azure.journal(before)) == []


async def test_a_snapshot_of_the_lost_key_is_named_and_stays(
    cloud: Cloud, place: Place, lost: Adapters
) -> None:
    before = cloud.azure.last_entry()

    with pytest.raises(PermanentError, match="key old") as refused:
        await lost.snapshots.delete(place.snapshots["old"].id)

    assert refused.value.reason == "TagsKeyUnknown"
    assert writes(cloud.azure.journal(before)) == []


async def test_access_ends_all_the_same(cloud: Cloud, place: Place, lost: Adapters) -> None:
    before = cloud.azure.last_entry()

    await until(lambda: lost.snapshots.revoke(place.snapshots["new"].id))

    (written,) = writes(cloud.azure.journal(before))
    assert written.lower().endswith("/endgetaccess")


async def test_a_worker_of_the_lost_key_counts_and_is_named(place: Place, lost: Adapters) -> None:
    listed = await lost.workers.of_group(SUBSCRIPTION, place.region.resource_group)

    doubts = {worker.id: worker.doubt for worker in listed}
    assert "'old'" in doubts[place.workers["old"].id]
    assert doubts[place.workers["new"].id] == ""


async def test_a_key_that_is_back_has_its_snapshots_sealed_anew(
    cloud: Cloud, place: Place, operators_environment: None
) -> None:
    del operators_environment
    snapshot = snapshot_wanted(place.disk_id, OLD)
    async with adapters(settings_for(APPLIANCE, cloud.bundle), ring=ROTATED) as ours:
        await _take(ours, snapshot)
        facts = open_tags(ROTATED, snapshot.id, snapshot.tags)
        sealed = seal_tags(NEW, snapshot.id, facts)

        await until(lambda: ours.snapshots.seal(snapshot.id, sealed))

        seen = await ours.snapshots.find(snapshot.id)
        assert seen is not None
        assert open_tags(RING, snapshot.id, seen.tags) == facts
        assert seen.tags[RUN_TAG] == snapshot.tags[RUN_TAG]
        assert (seen.network_access, seen.ready) == ("DenyAll", True)


async def test_a_key_that_is_back_has_its_workers_sealed_anew(
    cloud: Cloud, place: Place, operators_environment: None
) -> None:
    del operators_environment
    worker = worker_wanted(place.region, FIRST)
    async with adapters(settings_for(APPLIANCE, cloud.bundle), ring=ROTATED) as ours:
        await _launch(ours, worker)
        listed = await ours.workers.of_group(SUBSCRIPTION, place.region.resource_group)
        outdated = {each.id for each in listed if each.outdated}
        assert outdated >= {worker.id}
        assert place.workers["new"].id not in outdated

        await until(lambda: ours.workers.seal(worker.vm_id))

        listed = await ours.workers.of_group(SUBSCRIPTION, place.region.resource_group)
        assert worker.id not in {each.id for each in listed if each.outdated}
    interface = worker.vm_id.replace(
        "Microsoft.Compute/virtualMachines", "Microsoft.Network/networkInterfaces"
    )
    for identity, version in ((worker.vm_id, "2024-03-01"), (interface, "2023-11-01")):
        tags = cloud.azure.read(identity, version)["tags"]
        assert tags["vmbackup-owner"].startswith(f"1 {NEW.id} ")
        assert tags[WORKER_TAG] == worker.id
