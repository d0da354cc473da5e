"""Other disks in a VM that is there: the OS disk swapped, data disks detached and attached."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator_arm.conftest import Azure
from tests.unit.simulator_arm.test_arm_disks import make_disk
from tests.unit.simulator_arm.test_arm_machines import REGION, machine_body


async def linux_disk(azure: Azure, name: str, **body: Any) -> str:
    """Make a disk with an operating system, and return its id."""
    disk = azure.id("Microsoft.Compute/disks", name)
    properties = {
        "creationData": {"createOption": "Empty"},
        "diskSizeGB": 4,
        "osType": "Linux",
    }
    await azure.put(disk, {**REGION, "properties": properties} | body)
    return disk


async def machine_of_disks(azure: Azure, **body: Any) -> str:
    """Make a VM of an OS disk and a data disk at LUN 3, and return its id."""
    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    wanted = await machine_body(azure)
    del wanted["properties"]["osProfile"]
    zones = {key: body[key] for key in ("zones",) if key in body}
    wanted["properties"]["storageProfile"] = {
        "osDisk": {
            "createOption": "Attach",
            "osType": "Linux",
            "caching": "ReadWrite",
            "managedDisk": {"id": await linux_disk(azure, "os", **zones)},
        },
        "dataDisks": [data_disk(3, await linux_disk(azure, "data", **zones))],
    }
    await azure.put(machine, wanted | body)
    return machine


def data_disk(lun: int, disk: str) -> dict[str, Any]:
    return {"lun": lun, "createOption": "Attach", "managedDisk": {"id": disk}}


def os_disk(disk: str, **entry: Any) -> dict[str, Any]:
    return {"name": disk.rsplit("/", 1)[-1], "managedDisk": {"id": disk}} | entry


async def stop(azure: Azure, machine: str, action: str = "deallocate") -> None:
    await azure.done(await azure.send("POST", f"{machine}/{action}"))


async def change(azure: Azure, machine: str, **profile: Any) -> Any:
    return await azure.send("PATCH", machine, {"properties": {"storageProfile": profile}})


async def holders(azure: Azure, *disks: str) -> list[bool]:
    return ["managedBy" in await azure.get(each) for each in disks]


@pytest.mark.parametrize("action", ["deallocate", "powerOff"])
async def test_the_os_disk_of_a_vm_that_stands_still_is_swapped(azure: Azure, action: str) -> None:
    machine, new = await machine_of_disks(azure), await linux_disk(azure, "new")
    await stop(azure, machine, action)
    await azure.done(await change(azure, machine, osDisk=os_disk(new)))

    storage = (await azure.get(machine))["properties"]["storageProfile"]
    assert storage["osDisk"]["managedDisk"]["id"] == new
    assert (storage["osDisk"]["name"], storage["osDisk"]["caching"]) == ("new", "ReadWrite")
    assert [each["lun"] for each in storage["dataDisks"]] == [3]
    old = azure.id("Microsoft.Compute/disks", "os")
    assert await holders(azure, new, old) == [True, False]


async def test_a_vm_that_runs_keeps_its_os_disk(azure: Azure) -> None:
    machine, new = await machine_of_disks(azure), await linux_disk(azure, "new")
    reply = await change(azure, machine, osDisk=os_disk(new))

    assert (reply.status, reply.code) == (409, "OperationNotAllowed")
    assert await holders(azure, new) == [False]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"createOption": "FromImage"}, "PropertyChangeNotAllowed"),
        ({"osType": "Windows"}, "PropertyChangeNotAllowed"),
        ({"name": "os"}, "InvalidParameter"),
    ],
)
async def test_nothing_but_the_os_disk_is_changed_by_a_swap(
    azure: Azure, entry: dict[str, str], code: str
) -> None:
    machine, new = await machine_of_disks(azure), await linux_disk(azure, "new")
    await stop(azure, machine)

    assert (await change(azure, machine, osDisk=os_disk(new, **entry))).code == code


async def test_a_disk_without_an_operating_system_is_no_os_disk(azure: Azure) -> None:
    machine, empty = await machine_of_disks(azure), await make_disk(azure, "empty")
    await stop(azure, machine)

    assert (await change(azure, machine, osDisk=os_disk(empty))).code == "InvalidParameter"


async def test_a_lun_that_has_a_disk_takes_another_one_after_it_is_detached(azure: Azure) -> None:
    machine, new = await machine_of_disks(azure), await linux_disk(azure, "new")
    old = azure.id("Microsoft.Compute/disks", "data")
    refused = await change(azure, machine, dataDisks=[data_disk(3, new)])
    assert (refused.status, refused.code) == (409, "PropertyChangeNotAllowed")
    assert await holders(azure, old, new) == [True, False]

    await azure.done(await change(azure, machine, dataDisks=[]))
    assert await holders(azure, old, new) == [False, False]
    attached = {**data_disk(3, new), "caching": "ReadOnly", "writeAcceleratorEnabled": True}
    await azure.done(await change(azure, machine, dataDisks=[attached]))

    assert await holders(azure, old, new) == [False, True]
    (entry,) = (await azure.get(machine))["properties"]["storageProfile"]["dataDisks"]
    assert (entry["caching"], entry["writeAcceleratorEnabled"]) == ("ReadOnly", True)


async def test_a_change_of_which_a_part_is_refused_is_not_made(azure: Azure) -> None:
    machine, new = await machine_of_disks(azure), await linux_disk(azure, "new")
    reply = await change(azure, machine, dataDisks=[], osDisk=os_disk(new))

    assert reply.code == "OperationNotAllowed"
    assert await holders(azure, azure.id("Microsoft.Compute/disks", "data")) == [True]


@pytest.mark.parametrize(
    ("disk", "status"),
    [({}, 400), ({"zones": ["1"]}, 200), ({"zones": ["2"]}, 400),
     ({"sku": {"name": "Premium_ZRS"}}, 200)],
    ids=["no zone", "its zone", "another zone", "of all zones"],
)  # fmt: skip
async def test_a_vm_in_a_zone_takes_disks_of_that_zone(
    azure: Azure, disk: dict[str, Any], status: int
) -> None:
    machine = await machine_of_disks(azure, zones=["1"])
    new = await linux_disk(azure, "new", **disk)
    kept = data_disk(3, azure.id("Microsoft.Compute/disks", "data"))

    reply = await change(azure, machine, dataDisks=[kept, data_disk(4, new)])
    assert reply.status == status


async def test_a_vm_takes_no_disk_of_another_region(azure: Azure) -> None:
    machine = await machine_of_disks(azure)
    far = await linux_disk(azure, "far", location="northeurope")
    kept = data_disk(3, azure.id("Microsoft.Compute/disks", "data"))

    reply = await change(azure, machine, dataDisks=[kept, data_disk(4, far)])
    assert (reply.status, reply.code) == (409, "Conflict")


async def test_a_change_of_what_is_not_as_it_was_seen_is_refused(azure: Azure) -> None:
    machine = await machine_of_disks(azure)
    seen = (await azure.get(machine))["etag"]
    wanted: dict[str, Any] = {"properties": {"storageProfile": {"dataDisks": []}}}
    await azure.done(await azure.send("PATCH", machine, {"tags": {"by": "another"}}))

    late = await azure.send("PATCH", machine, wanted, headers={"If-Match": seen})
    now = (await azure.get(machine))["etag"]
    await azure.done(await azure.send("PATCH", machine, wanted, headers={"If-Match": now}))

    assert (late.status, late.code) == (412, "PreconditionFailed")
    assert (await azure.get(machine))["properties"]["storageProfile"]["dataDisks"] == []
    assert (await azure.get(machine))["etag"] not in {seen, now}
