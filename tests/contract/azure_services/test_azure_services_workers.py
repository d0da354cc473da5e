"""Worker VMs and Run Commands of Azure's adapters."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RING,
    Adapters,
    Cloud,
    adapters,
    as_administrator,
    settings_for,
    until,
    writes,
)
from tests.contract.ports.worker_facts import (
    CommandFacts,
    WorkerFacts,
    WorkerPlace,
    acts_on,
    plain_tags,
)
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import CommandWanted, WorkerWanted

VM_VERSION = "2024-03-01"


@pytest.fixture
def place(cloud: Cloud, ours: Adapters) -> WorkerPlace:
    async def retag(vm_id: ArmId, tags: Mapping[str, str]) -> None:
        await as_administrator(lambda: cloud.azure.retag(vm_id, VM_VERSION, dict(tags)))

    async def remove(vm_id: ArmId) -> None:
        await as_administrator(lambda: cloud.azure.remove(vm_id, VM_VERSION))

    return WorkerPlace(
        workers=ours.workers,
        commands=ours.commands,
        region=cloud.region,
        ring=RING,
        appliance=APPLIANCE,
        until=until,
        retag=retag,
        remove=remove,
    )


class TestAzureWorkers(WorkerFacts):
    pass


class TestAzureCommands(CommandFacts):
    pass


async def test_a_launch_writes_an_interface_and_a_vm(cloud: Cloud, place: WorkerPlace) -> None:
    before, wanted = cloud.azure.last_entry(), place.wanted()
    await place.launch(wanted)
    await place.launch(wanted)
    await place.end(wanted)

    puts = [
        entry["path"].rsplit("/", 2)[1].lower()
        for entry in cloud.azure.journal(before)
        if entry["service"] == "arm" and entry["method"] == "PUT"
    ]
    assert puts == ["networkinterfaces", "virtualmachines"]


async def test_a_command_runs_and_its_secrets_are_not_shown(
    cloud: Cloud, ours: Adapters, place: WorkerPlace
) -> None:
    wanted = place.wanted()
    await place.launch(wanted)
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


async def test_a_command_that_goes_or_has_gone_is_not_deleted_again(
    cloud: Cloud, ours: Adapters, place: WorkerPlace
) -> None:
    wanted = place.wanted()
    await place.launch(wanted)
    command = CommandWanted(wanted.vm_id, "launch", cloud.region.region, "true", {})

    async def sent() -> bool:
        await ours.commands.run(command)
        return await ours.commands.find(wanted.vm_id, "launch") is not None

    await until(sent)
    before = cloud.azure.last_entry()
    await ours.commands.delete(wanted.vm_id, "launch")
    async with adapters(settings_for(APPLIANCE, cloud.bundle)) as after_a_restart:
        for _ in range(2):
            await after_a_restart.commands.delete(wanted.vm_id, "launch")
        await until(_has_gone(after_a_restart, wanted))
        await after_a_restart.commands.delete(wanted.vm_id, "launch")

    asked = [each for each in writes(cloud.azure.journal(before)) if wanted.vm_id in each]
    assert [each.split()[0] for each in asked] == ["DELETE"]
    await place.end(wanted)


def _has_gone(adapters_of: Adapters, wanted: WorkerWanted) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await adapters_of.commands.find(wanted.vm_id, "launch") is None

    return look


async def test_a_worker_takes_its_parts_along_however_long_looks_are_shared(
    cloud: Cloud, place: WorkerPlace
) -> None:
    wanted = place.wanted()
    await place.launch(wanted)
    before = cloud.azure.last_entry()
    async with adapters(settings_for(APPLIANCE, cloud.bundle), fresh_s=60) as ours:
        await until(lambda: ours.workers.delete(wanted.vm_id))

    asked = [each.lower() for each in writes(cloud.azure.journal(before))]
    assert [each.split("/")[-2] for each in asked] == ["virtualmachines"]


async def test_nothing_is_sent_to_a_vm_with_plain_tags(cloud: Cloud, place: WorkerPlace) -> None:
    wanted = place.wanted()
    await place.launch(wanted)
    before = cloud.azure.last_entry()
    await place.retag(wanted.vm_id, plain_tags(place, wanted))
    for act in acts_on(place, wanted):
        with pytest.raises(PermanentError) as refused:
            await act()
        assert refused.value.reason == "NotOurs"

    by_us = [each for each in writes(cloud.azure.journal(before)) if not each.startswith("PATCH")]
    assert by_us == []
    await place.remove(wanted.vm_id)


async def test_what_a_launch_left_without_a_vm_goes_too(
    cloud: Cloud, ours: Adapters, place: WorkerPlace
) -> None:
    wanted = place.wanted()
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
        await place.launch(wanted)
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
    cloud: Cloud, ours: Adapters, place: WorkerPlace
) -> None:
    wanted = place.wanted()
    await place.launch(wanted)
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
