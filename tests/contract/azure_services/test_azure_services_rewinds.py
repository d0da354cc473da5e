"""VMs whose disks are swapped, and copies that Azure makes of disks, by Azure's adapters."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    FRESH_S,
    RING,
    Adapters,
    Cloud,
    as_administrator,
    until,
    writes,
)
from tests.contract.azure_services.test_azure_services_disks import STRANGERS
from tests.contract.azure_services.test_azure_services_snapshots import make_disk
from tests.contract.ports.rewind_facts import (
    CopyFacts,
    CopyPlace,
    RewoundMachineFacts,
    SwapPlace,
)
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import TransientError
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.naming import ArmId, arm_id, name_of
from vmbackup_operator.services.copies import AzureCopies
from vmbackup_operator.services.rewound_machines import AzureRewoundMachines

COMPUTE, DISKS, NETWORK = "2024-03-01", "2023-10-02", "2024-05-01"


def a_name(cloud: Cloud, resource_type: str) -> ArmId:
    """Return an id in the region's group that nobody used."""
    return arm_id(SUBSCRIPTION, cloud.region.resource_group, resource_type, uuid.uuid4().hex[:12])


def linux_disk(cloud: Cloud) -> ArmId:
    """Make a disk with an operating system."""
    disk = a_name(cloud, "Microsoft.Compute/disks")
    creation = {"createOption": "Empty"}
    properties = {"creationData": creation, "diskSizeGB": 4, "osType": "Linux"}
    sku = {"name": "Premium_LRS"}
    body = {"location": cloud.region.region, "sku": sku, "properties": properties}
    cloud.azure.arm(disk, DISKS, body)
    return disk


def user_machine(cloud: Cloud) -> ArmId:
    """Make a VM with an OS disk and data disks at LUNs 0 and 1."""
    region, interface = cloud.region, a_name(cloud, "Microsoft.Network/networkInterfaces")
    subnet = {"subnet": {"id": region.worker_subnet_id}, "primary": True}
    configurations = {"ipConfigurations": [{"name": "first", "properties": subnet}]}
    cloud.azure.arm(interface, NETWORK, {"location": region.region, "properties": configurations})
    machine = a_name(cloud, "Microsoft.Compute/virtualMachines")
    data: list[dict[str, Any]] = [
        {"lun": lun, "createOption": "Attach", "managedDisk": {"id": linux_disk(cloud)}}
        for lun in (0, 1)
    ]
    system = {"createOption": "Attach", "managedDisk": {"id": linux_disk(cloud)}}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
        "storageProfile": {"osDisk": system, "dataDisks": data},
        "networkProfile": {"networkInterfaces": [{"id": interface}]},
    }
    cloud.azure.arm(machine, COMPUTE, {"location": region.region, "properties": properties})
    return machine


def attach(cloud: Cloud, machine: ArmId, lun: int, disk: ArmId) -> None:
    """Attach a data disk to the VM, as its owner does."""
    body = cloud.azure.read(machine, COMPUTE)
    entry = {"lun": lun, "createOption": "Attach", "managedDisk": {"id": disk}}
    body["properties"]["storageProfile"]["dataDisks"].append(entry)
    cloud.azure.arm(machine, COMPUTE, body)


def be_at_it(cloud: Cloud, machine: ArmId, power: str) -> str:
    """Have Azure say of the VM, as it is, that an operation is under way; return the fault."""
    body = cloud.azure.read(machine, COMPUTE)
    statuses = [{"code": "ProvisioningState/updating"}, {"code": f"PowerState/{power}"}]
    body["properties"] |= {"provisioningState": "Updating", "instanceView": {"statuses": statuses}}
    match = {"service": "arm", "method": "GET", "path": f"/{name_of(machine)}$"}
    fault = {"match": match, "status": 200, "body": body, "times": 1000}
    return str(cloud.azure.call("POST", "/faults", fault)["id"])


class TestAzureRewoundMachines(RewoundMachineFacts):
    @pytest.fixture
    async def place(self, cloud: Cloud, ours: Adapters) -> SwapPlace:
        machine = await asyncio.to_thread(user_machine, cloud)

        async def spare() -> ArmId:
            return await asyncio.to_thread(linux_disk, cloud)

        machines = AzureRewoundMachines(ours.resources, ours.operations)
        return SwapPlace(machines, machine, spare, until)

    async def test_a_disk_that_somebody_attaches_meanwhile_stays_attached(
        self, cloud: Cloud, place: SwapPlace
    ) -> None:
        """What is sent names every data disk of the VM: the newcomer would be detached by it."""
        await place.stop()
        data, newcomer = await place.place("1"), await place.spare()
        sent = {"method": "PATCH", "path": f"/{name_of(place.machine)}$"}
        hold = await asyncio.to_thread(partial(cloud.azure.hold, "before", **sent))
        swapping = asyncio.create_task(place.machines.swap(place.machine, [data]))
        await until(lambda: asyncio.to_thread(cloud.azure.caught, hold))
        await asyncio.to_thread(attach, cloud, place.machine, 7, newcomer)
        await asyncio.to_thread(cloud.azure.let_go, hold)

        async def answered() -> None:
            # The first may have come back before Azure has answered.
            await swapping
            await place.swap(data)

        with pytest.raises(TransientError):
            await answered()

        await place.swap(data)
        assert same_id(await place.held("1") or "", data.disk_id)
        assert same_id(await place.held("7") or "", newcomer)

    async def test_nothing_is_so_while_an_operation_of_a_dead_operator_runs(
        self, cloud: Cloud, place: SwapPlace
    ) -> None:
        """The body has what is to be: disks that may not come, a power that is about to change."""
        await place.stop()
        data = await place.place("1")
        await place.swap(data)
        acts: dict[str, Callable[[], Awaitable[bool]]] = {
            "deallocated": lambda: place.machines.deallocate(place.machine),
            "running": lambda: place.machines.start(place.machine),
        }
        for power, act in acts.items():
            at_it = await asyncio.to_thread(be_at_it, cloud, place.machine, power)
            await asyncio.sleep(1.5 * FRESH_S)
            since = await asyncio.to_thread(cloud.azure.last_entry)

            seen = await place.now()
            assert (seen.power, seen.settled) == (power, False)
            assert await place.machines.swap(place.machine, [data]) is False
            assert await act() is False

            assert writes(await asyncio.to_thread(cloud.azure.journal, since)) == []
            await asyncio.to_thread(cloud.azure.call, "DELETE", f"/faults/{at_it}")
        await asyncio.sleep(1.5 * FRESH_S)
        assert (await place.now()).settled
        assert await place.machines.swap(place.machine, [data]) is True
        assert await place.machines.deallocate(place.machine) is True


class TestAzureCopies(CopyFacts):
    @pytest.fixture
    async def place(self, cloud: Cloud, ours: Adapters) -> CopyPlace:
        disk = await asyncio.to_thread(make_disk, cloud)
        body = {
            "location": cloud.region.region,
            "properties": {
                "incremental": True,
                "creationData": {"createOption": "Copy", "sourceResourceId": disk},
            },
        }
        snapshot = a_name(cloud, "Microsoft.Compute/snapshots")
        await as_administrator(lambda: cloud.azure.arm(snapshot, DISKS, body))

        async def made_by_others(snapshot_id: ArmId) -> None:
            await as_administrator(lambda: cloud.azure.arm(snapshot_id, DISKS, body))

        copies = partial(AzureCopies, ours.resources, ours.operations)
        return CopyPlace(
            copies=copies(RING.ownership(APPLIANCE)),
            others=copies(STRANGERS.ownership(APPLIANCE)),
            group=ArmId(snapshot.split("/providers/")[0]),
            region=cloud.region.region,
            disk=disk,
            snapshot=snapshot,
            made_by_others=made_by_others,
            until=until,
        )
