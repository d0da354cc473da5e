"""Azure's VMs, one by one and by lists of their group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from tests.contract.azure_services.cloud import Adapters, Cloud
from tests.contract.ports.machine_facts import MachineListFacts, MachinePlace, VirtualMachineFacts
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.clock import SystemClock
from vmbackup_operator.environments.bodies import Body, Json
from vmbackup_operator.naming import ArmId, resource_group_of
from vmbackup_operator.policies.ports import MachineListed, VirtualMachineLists
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.credentials import asynchronous_credential
from vmbackup_operator.services.virtual_machine_lists import (
    AzureVirtualMachineLists,
    machine_listed,
)
from vmbackup_operator.sessions.ports import VirtualMachines

GROUP = resource_group_of(ArmId(seed.VM_ID))
GIB = 1 << 30
#: A data disk of a VM as Azure shows it that lies in a storage account.
OF_AN_ACCOUNT: Body = {
    "lun": 1,
    "name": "old",
    "vhd": {"uri": "https://account.blob.core.windows.net/v/o.vhd"},
}


@pytest.fixture(scope="module")
def seeded(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> list[ArmId]:
    """Two VMs in one group, each with data disks at LUN 0 and 5."""
    names = ("listed-1", "listed-2")
    for name in names:
        disks = [
            seed.SeededDisk(f"{name}-{lun}", seed.disk_id(f"{name}-{lun}"), lun, path, GIB)
            for lun in (None, 0, 5)
            for path in (tmp_path_factory.mktemp(name) / "disk",)
        ]
        for disk in disks:
            with disk.path.open("wb") as file:
                file.truncate(GIB)
        seed.seed_machine(cloud.azure, name, disks)
    return [ArmId(seed.vm_id(name)) for name in names]


@pytest.fixture
def place(seeded: list[ArmId]) -> MachinePlace:
    return MachinePlace(tuple(seeded), SUBSCRIPTION)


class TestAzureVirtualMachineLists(MachineListFacts):
    @pytest.fixture
    async def lists(self, place: MachinePlace) -> AsyncIterator[VirtualMachineLists]:
        del place
        clients = Clients(asynchronous_credential(), SystemClock())
        yield AzureVirtualMachineLists(clients)
        await clients.close()

    @pytest.fixture
    def foreign(self, cloud: Cloud) -> str:
        foreign = "99999999-9999-4999-8999-999999999999"
        cloud.azure.call("PUT", f"/subscriptions/{foreign}")
        return foreign

    @pytest.fixture
    def ephemeral(self, cloud: Cloud, place: MachinePlace) -> Iterator[ArmId]:
        """A VM that no simulated Azure makes: the list that has it is told."""
        vm_id = f"{place.there[0]}-ephemeral"
        match: Body = {"service": "arm", "method": "GET", "path": "virtualMachines"}
        answer: Body = {"value": [_with_ephemeral_disk(vm_id)]}
        fault: Body = {"match": match, "status": 200, "headers": {}, "body": answer, "times": 1}
        made = cloud.azure.call("POST", "/faults", fault)
        yield ArmId(vm_id)
        cloud.azure.call("DELETE", f"/faults/{made['id']}")


class TestAzureVirtualMachines(VirtualMachineFacts):
    @pytest.fixture
    def machines(self, ours: Adapters) -> VirtualMachines:
        return ours.virtual_machines

    @pytest.fixture
    def ephemeral(self, cloud: Cloud, place: MachinePlace) -> Iterator[ArmId]:
        """A VM that no simulated Azure makes: its answer is told."""
        vm_id = f"{place.there[0]}-ephemeral"
        with _told(cloud, vm_id, _with_ephemeral_disk(vm_id)):
            yield ArmId(vm_id)

    @pytest.fixture
    def mixed(self, cloud: Cloud, place: MachinePlace) -> Iterator[ArmId]:
        """Another one that is told."""
        vm_id = f"{place.there[0]}-mixed"
        os_disk: Body = {"name": "os", "managedDisk": {"id": seed.disk_id("listed-1-None")}}
        with _told(cloud, vm_id, _vm_of(vm_id, os_disk, [OF_AN_ACCOUNT])):
            yield ArmId(vm_id)


@contextmanager
def _told(cloud: Cloud, vm_id: str, body: Body) -> Iterator[None]:
    """Have Azure answer so when it is asked for the VM."""
    name = vm_id.rsplit("/", 1)[1]
    match = {"service": "arm", "method": "GET", "path": f"virtualMachines/{name}"}
    fault = {"match": match, "status": 200, "headers": {}, "body": body, "times": 9}
    made = cloud.azure.call("POST", "/faults", fault)
    yield
    cloud.azure.call("DELETE", f"/faults/{made['id']}")


def _with_ephemeral_disk(vm_id: str) -> Body:
    """Return a VM as Azure shows it, whose OS disk lies on its host."""
    disk: Body = {"name": "os", "diffDiskSettings": {"option": "Local"}}
    return _vm_of(vm_id, disk, [])


def _vm_of(vm_id: str, os_disk: Body, data_disks: list[Json]) -> Body:
    profile: Body = {"storageProfile": {"osDisk": os_disk, "dataDisks": data_disks}, "vmId": "1"}
    name = vm_id.rsplit("/", 1)[1]
    return {"id": vm_id, "name": name, "location": seed.VM_REGION, "properties": profile}


@pytest.mark.parametrize(
    "body",
    [
        {"id": "/vm"},
        {"id": "/vm", "properties": None},
        {"id": "/vm", "properties": {"storageProfile": {"dataDisks": None}}},
        {"id": "/vm", "tags": None, "properties": {"storageProfile": {"osDisk": None}}},
    ],
    ids=["nothing", "null", "null below", "null tags"],
)
def test_what_azure_leaves_out_of_a_list_is_no_data_disk(body: Body) -> None:
    assert machine_listed(body) == MachineListed(ArmId("/vm"))


def test_a_disk_of_an_account_is_unmanaged_and_one_that_is_being_made_is_not() -> None:
    new: Body = {"lun": 2, "name": "new"}
    profile: Body = {
        "osDisk": {"name": "os", "managedDisk": {"id": "/disk"}},
        "dataDisks": [OF_AN_ACCOUNT, new],
    }
    body: Body = {"id": "/vm", "properties": {"storageProfile": profile}}

    said = [disk.unsupported for disk in machine_listed(body).disks]

    assert said == [None, "is not a managed disk", None]
