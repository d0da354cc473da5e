"""Data disks of a VM that runs: seen by it as long as they are attached, and by no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.simulator_arm.conftest import SLOWLY, Azure
from tests.unit.simulator_arm.test_arm_disk_swaps import change, data_disk
from tests.unit.simulator_arm.test_arm_disks import make_disk
from tests.unit.simulator_arm.test_arm_machines import machine_body as body_of_machine
from tests.unit.simulator_arm.test_arm_machines import make_machine


async def attach(azure: Azure, machine: str, *disks: dict[str, Any]) -> None:
    await azure.done(await change(azure, machine, dataDisks=list(disks)))


def shown(azure: Azure) -> dict[str, Path]:
    return {disk.rsplit("/", 1)[-1]: path for disk, path in azure.contents.shown.items()}


async def test_a_vm_that_runs_sees_the_disks_at_their_luns(azure: Azure) -> None:
    machine = await make_machine(azure)
    first, second = await make_disk(azure, "first"), await make_disk(azure, "second")

    await attach(azure, machine, data_disk(0, first))
    await attach(azure, machine, data_disk(0, first), data_disk(5, second))
    assert shown(azure) == {"first": Path("/machines/vm/0"), "second": Path("/machines/vm/5")}

    await attach(azure, machine, data_disk(5, second))
    assert shown(azure) == {"second": Path("/machines/vm/5")}


async def test_a_vm_that_is_deleted_shows_no_disk_and_leaves_those_that_it_had(
    azure: Azure,
) -> None:
    machine, disk = await make_machine(azure), await make_disk(azure, "data")
    await attach(azure, machine, data_disk(0, disk))

    await azure.done(await azure.send("DELETE", machine))

    assert shown(azure) == {}
    assert (await azure.get(disk))["properties"]["diskState"] == "Unattached"


@SLOWLY
async def test_a_disk_that_is_being_detached_is_still_the_vms(azure: Azure) -> None:
    machine, disk = await make_machine(azure), await make_disk(azure, "data")
    await attach(azure, machine, data_disk(0, disk))
    other = await second_machine(azure)

    detaching = await change(azure, machine, dataDisks=[])
    refused = await change(azure, other, dataDisks=[data_disk(0, disk)])

    assert (refused.status, refused.code) == (409, "AttachDiskWhileBeingDetached")
    assert "data" in shown(azure)
    await azure.done(detaching)
    await attach(azure, other, data_disk(0, disk))
    assert shown(azure) == {"data": Path("/machines/other/0")}


async def second_machine(azure: Azure) -> str:
    """Make another VM, of an interface of its own."""
    wanted = await body_of_machine(azure)
    interface = wanted["properties"]["networkProfile"]["networkInterfaces"][0]
    first = await azure.get(interface["id"])
    subnet = first["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    own = azure.id("Microsoft.Network/networkInterfaces", "nic-2")
    configuration = {"name": "ip", "properties": {"subnet": {"id": subnet}}}
    await azure.put(
        own, {"location": "westeurope", "properties": {"ipConfigurations": [configuration]}}
    )
    interface["id"] = own
    machine = azure.id("Microsoft.Compute/virtualMachines", "other")
    await azure.put(machine, wanted)
    return machine


async def test_a_disk_whose_content_may_be_read_by_a_sas_is_not_attached(azure: Azure) -> None:
    machine, disk = await make_machine(azure), await make_disk(azure, "data")
    given = {"access": "Read", "durationInSeconds": 600}
    await azure.done(await azure.send("POST", f"{disk}/beginGetAccess", given))

    refused = await change(azure, machine, dataDisks=[data_disk(0, disk)])

    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    assert shown(azure) == {}


async def test_more_data_disks_than_the_vms_own_size_has_are_refused(azure: Azure) -> None:
    machine = await make_machine(azure)
    disks = [await make_disk(azure, f"data-{number}") for number in range(5)]
    wanted = [data_disk(lun, disk) for lun, disk in enumerate(disks)]

    refused = await change(azure, machine, dataDisks=wanted)
    await attach(azure, machine, *wanted[:4])

    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    assert len(shown(azure)) == 4
