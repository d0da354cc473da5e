"""Worker VMs and their Run Commands."""

from __future__ import annotations

import uuid

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
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.naming import APPLIANCE_TAG, WORKER_TAG, arm_id, worker_vm_name
from vmbackup_operator.sessions.seen import CommandWanted, WorkerSeen, WorkerWanted


@pytest.fixture
def wanted(cloud: Cloud) -> WorkerWanted:
    worker = WorkerId(f"{uuid.uuid4().hex[:20]}-1")
    vm_id = arm_id(
        SUBSCRIPTION,
        cloud.region.resource_group,
        "Microsoft.Compute/virtualMachines",
        worker_vm_name(worker),
    )
    sealed = RING.ownership(APPLIANCE).sealed_tag(vm_id)
    tags = {APPLIANCE_TAG: APPLIANCE, WORKER_TAG: worker, **sealed}
    return WorkerWanted(vm_id, worker, RunId(uuid.uuid4().hex), cloud.region, tags)


async def launched(ours: Adapters, wanted: WorkerWanted) -> WorkerSeen:
    async def running() -> WorkerSeen | None:
        seen = await ours.workers.ensure(wanted)
        return seen if seen.state == "running" else None

    seen: WorkerSeen = await until(running)
    return seen


async def test_a_worker_from_its_launch_to_its_end(
    cloud: Cloud, ours: Adapters, wanted: WorkerWanted
) -> None:
    before = cloud.azure.last_entry()

    seen = await launched(ours, wanted)
    assert (seen.id, seen.failure) == (wanted.id, None)
    listed = await ours.workers.of_group(SUBSCRIPTION, cloud.region.resource_group)
    assert wanted.id in {worker.id for worker in listed}

    await until(lambda: ours.workers.deallocate(wanted.vm_id))
    found = await ours.workers.find(wanted.vm_id)
    assert found is not None
    assert found.state == "deallocated"
    await until(lambda: ours.workers.deallocate(wanted.vm_id))

    await until(lambda: ours.workers.start(wanted.vm_id))
    assert (await launched(ours, wanted)).state == "running"

    await until(lambda: ours.workers.delete(wanted.vm_id))
    assert await ours.workers.find(wanted.vm_id) is None
    await until(lambda: ours.workers.delete(wanted.vm_id))
    puts = [
        entry["path"].rsplit("/", 2)[1].lower()
        for entry in cloud.azure.journal(before)
        if entry["service"] == "arm" and entry["method"] == "PUT"
    ]
    assert puts == ["networkinterfaces", "virtualmachines"]


async def test_a_command_runs_and_its_secrets_are_not_shown(
    cloud: Cloud, ours: Adapters, wanted: WorkerWanted
) -> None:
    await launched(ours, wanted)
    secret = uuid.uuid4().hex
    command = CommandWanted(
        vm_id=wanted.vm_id,
        name="launch",
        region=cloud.region.region,
        script='test -n "$WORD" && echo the word has ${#WORD} letters',
        protected={"WORD": secret},
    )
    assert await ours.commands.find(wanted.vm_id, "launch") is None

    async def ended() -> bool:
        await ours.commands.run(command)
        seen = await ours.commands.find(wanted.vm_id, "launch")
        return seen is not None and seen.state != "running"

    await until(ended)

    seen = await ours.commands.find(wanted.vm_id, "launch")
    assert seen is not None
    assert seen.state == "succeeded"
    assert secret not in str(cloud.azure.journal())
    await ours.commands.delete(wanted.vm_id, "launch")
    await until(lambda: ours.workers.delete(wanted.vm_id))


async def test_nothing_is_sent_to_a_vm_with_plain_tags(
    cloud: Cloud, ours: Adapters, wanted: WorkerWanted
) -> None:
    await launched(ours, wanted)
    before = cloud.azure.last_entry()
    plain = {APPLIANCE_TAG: APPLIANCE, WORKER_TAG: wanted.id}
    cloud.azure.retag(wanted.vm_id, "2024-03-01", plain)
    command = CommandWanted(wanted.vm_id, "launch", cloud.region.region, "true", {})
    async with adapters(settings_for(APPLIANCE, cloud.bundle)) as anew:
        listed = await anew.workers.of_group(SUBSCRIPTION, cloud.region.resource_group)
        assert wanted.id not in {worker.id for worker in listed}

        for act in (
            anew.workers.find(wanted.vm_id),
            anew.workers.ensure(wanted),
            anew.workers.start(wanted.vm_id),
            anew.workers.deallocate(wanted.vm_id),
            anew.workers.seal(wanted.vm_id),
            anew.workers.delete(wanted.vm_id),
            anew.commands.run(command),
            anew.commands.delete(wanted.vm_id, "launch"),
        ):
            with pytest.raises(PermanentError) as refused:
                await act
            assert refused.value.reason == "NotOurs"

    by_us = [each for each in writes(cloud.azure.journal(before)) if not each.startswith("PATCH")]
    assert by_us == []
    cloud.azure.remove(wanted.vm_id, "2024-03-01")


async def test_what_a_launch_left_without_a_vm_goes_too(
    cloud: Cloud, ours: Adapters, wanted: WorkerWanted
) -> None:
    name = wanted.vm_id.rsplit("/", 1)[1]
    group = wanted.vm_id.split("/providers/")[0]
    disk = f"{group}/providers/Microsoft.Compute/disks/{name}"
    fault = cloud.azure.call(
        "POST",
        "/faults",
        {
            "match": {"service": "arm", "method": "PUT", "path": f"virtualMachines/{name}"},
            "status": 400,
            "headers": {},
            "body": {"error": {"code": "InvalidParameter", "message": "no such size"}},
            "times": 9,
        },
    )
    with pytest.raises(PermanentError):
        await launched(ours, wanted)
    cloud.azure.call("DELETE", f"/faults/{fault['id']}")
    cloud.azure.arm(
        disk,
        "2024-03-02",
        {
            "location": wanted.region.region,
            "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
        },
    )
    left = [each for each in cloud.azure.resources(group.rsplit("/", 1)[1]) if name in each]
    assert len(left) == 2

    await until(lambda: ours.workers.delete(wanted.vm_id))

    assert [each for each in cloud.azure.resources(group.rsplit("/", 1)[1]) if name in each] == []


async def test_an_operation_that_cannot_be_read_is_dropped(
    cloud: Cloud, ours: Adapters, wanted: WorkerWanted
) -> None:
    await launched(ours, wanted)
    fault = cloud.azure.call(
        "POST",
        "/faults",
        {
            "match": {"service": "arm", "method": "GET", "path": "/locations/.*/operations/"},
            "status": 404,
            "headers": {},
            "body": {"error": {"code": "OperationNotFound", "message": "it has run out"}},
            "times": 1,
        },
    )

    async def dropped() -> bool:
        try:
            await ours.workers.deallocate(wanted.vm_id)
        except TransientError as error:
            return "can't be followed" in str(error)
        return False

    assert await until(dropped)
    cloud.azure.call("DELETE", f"/faults/{fault['id']}")
    assert await until(lambda: ours.workers.deallocate(wanted.vm_id))
    await until(lambda: ours.workers.delete(wanted.vm_id))
