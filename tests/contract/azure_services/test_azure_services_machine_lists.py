"""What policies ask of Azure's VMs: the simulated Azure and the memory double answer alike."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.azure_services.cloud import Cloud
from tests.worlds.memory_policies import MemoryMachineLists
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import RefusedForNow
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId, resource_group_of
from vmbackup_operator.policies.ports import MachineListed, VirtualMachineLists
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.credentials import asynchronous_credential
from vmbackup_operator.services.virtual_machine_lists import (
    AzureVirtualMachineLists,
    machine_listed,
)

GROUP = resource_group_of(ArmId(seed.VM_ID))
GIB = 1 << 30


@pytest.fixture(scope="module")
def machines(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> list[ArmId]:
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


@pytest.fixture(params=["azure", "memory"])
async def lists(
    request: pytest.FixtureRequest, machines: list[ArmId]
) -> AsyncIterator[VirtualMachineLists]:
    if request.param == "memory":
        double = MemoryMachineLists()
        double.there, double.luns = set(machines), (0, 5)
        yield double
        return
    clients = Clients(asynchronous_credential(), SystemClock())
    yield AzureVirtualMachineLists(clients)
    await clients.close()


def alike(found: MachineListed) -> tuple[str, tuple[int, ...]]:
    """Return what both say; Azure writes ids in whatever case it likes."""
    return (found.id.lower(), tuple(sorted(found.data_disk_luns)))


@pytest.mark.parametrize("group", [GROUP, GROUP.upper()], ids=["as made", "recased"])
async def test_a_groups_vms_are_listed_with_their_luns(
    lists: VirtualMachineLists, machines: list[ArmId], group: str
) -> None:
    found = {alike(each) for each in await lists.of_group(SUBSCRIPTION, group)}

    assert {(vm_id.lower(), (0, 5)) for vm_id in machines} <= found


async def test_a_group_that_is_not_there_has_no_vms(lists: VirtualMachineLists) -> None:
    assert list(await lists.of_group(SUBSCRIPTION, "rg-that-nobody-made")) == []


async def test_a_subscription_without_rights_is_refused(
    cloud: Cloud, lists: VirtualMachineLists
) -> None:
    foreign = "99999999-9999-4999-8999-999999999999"
    if isinstance(lists, MemoryMachineLists):
        lists.trouble = RefusedForNow("may not list", reason="NotAuthorized", retry_after_s=30)
    else:
        cloud.azure.call("PUT", f"/subscriptions/{foreign}")

    with pytest.raises(RefusedForNow) as caught:
        await lists.of_group(foreign, GROUP)
    assert caught.value.reason == "NotAuthorized"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "/vm"},
        {"id": "/vm", "properties": None},
        {"id": "/vm", "properties": {"storageProfile": {"dataDisks": None}}},
    ],
    ids=["nothing", "null", "null below"],
)
def test_what_azure_leaves_out_of_a_list_is_no_data_disk(body: Body) -> None:
    assert machine_listed(body) == MachineListed(ArmId("/vm"))
