"""What Azure's VMs promise, one by one and by lists of their group."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.contract.ports.suites import Suite
from vmbackup_core.errors import PermanentError, RefusedForNow
from vmbackup_operator.naming import ArmId, resource_group_of
from vmbackup_operator.policies.ports import VirtualMachineLists
from vmbackup_operator.sessions.ports import VirtualMachines
from vmbackup_operator.sessions.seen import UnmanagedDisk


@dataclass(frozen=True)
class MachinePlace:
    """VMs of one group: each has an OS disk, and data disks at LUN 0 and 5 of 1 GiB.

    In a list they have the tag ``team: web``.
    """

    there: tuple[ArmId, ...]
    subscription: str


class VirtualMachineFacts(Suite):
    """Gets *place*, *machines*, and *ephemeral*: a VM whose OS disk can't be snapshotted.

    Also *mixed*: one whose only data disk, ``old`` at LUN 1, lies in a storage account.
    """

    ports = (VirtualMachines,)

    async def test_one_is_found_with_all_its_disks_however_its_id_is_written(
        self, place: MachinePlace, machines: VirtualMachines
    ) -> None:
        for vm_id in (place.there[0], ArmId(place.there[0].upper())):
            found = await machines.find(vm_id)
            assert found is not None
            assert found.name == place.there[0].rsplit("/", 1)[1]
            assert sorted(disk.lun for disk in found.disks if disk.lun is not None) == [0, 5]
            assert [disk.lun for disk in found.disks].count(None) == 1
            assert {disk.size_bytes for disk in found.disks} == {1 << 30}
            assert len({disk.unique_id for disk in found.disks}) == 3
            assert found.unique_id
            assert found.region == found.region.lower()
            assert found.description.startswith("{")

    async def test_one_that_is_not_there_is_none(
        self, place: MachinePlace, machines: VirtualMachines
    ) -> None:
        assert await machines.find(ArmId(f"{place.there[0]}-x")) is None

    async def test_one_whose_disks_cant_be_snapshotted_is_refused_by_name(
        self, machines: VirtualMachines, ephemeral: ArmId
    ) -> None:
        with pytest.raises(PermanentError, match="ephemeral") as refused:
            await machines.find(ephemeral)

        assert refused.value.reason == "DiskNotSupported"

    async def test_a_data_disk_that_lies_in_a_storage_account_is_told_apart(
        self, machines: VirtualMachines, mixed: ArmId
    ) -> None:
        found = await machines.find(mixed)

        assert found is not None
        assert [disk.lun for disk in found.disks] == [None]
        assert found.unmanaged == (UnmanagedDisk("old", 1),)


class MachineListFacts(Suite):
    """Gets *place*, *lists*, and *foreign*: a subscription in which there are no rights.

    Also *ephemeral*: a VM of the group whose OS disk can't be snapshotted.
    """

    ports = (VirtualMachineLists,)

    @pytest.mark.parametrize("recased", [False, True], ids=["as made", "recased"])
    async def test_a_groups_vms_are_listed_with_their_luns(
        self, place: MachinePlace, lists: VirtualMachineLists, *, recased: bool
    ) -> None:
        group = resource_group_of(place.there[0])
        listed = await lists.of_group(place.subscription, group.upper() if recased else group)
        found = {(each.id.lower(), tuple(sorted(each.data_disk_luns))) for each in listed}

        assert {(vm_id.lower(), (0, 5)) for vm_id in place.there} <= found

    @pytest.mark.parametrize("whole", [False, True], ids=["group", "subscription"])
    async def test_vms_are_listed_with_their_tags_and_disks(
        self, place: MachinePlace, lists: VirtualMachineLists, *, whole: bool
    ) -> None:
        group = resource_group_of(place.there[0])
        if whole:
            listed = await lists.of_subscription(place.subscription)
        else:
            listed = await lists.of_group(place.subscription, group)
        found = {each.id.lower(): each for each in listed}

        for vm_id in place.there:
            machine = found[ArmId(vm_id.lower())]
            assert dict(machine.tags) == {"team": "web"}
            assert [disk.lun for disk in machine.disks] == [None, 0, 5]
            assert all(disk.name for disk in machine.disks)
            assert {disk.unsupported for disk in machine.disks} == {None}

    async def test_a_disk_that_cant_be_snapshotted_is_listed_as_such(
        self, place: MachinePlace, lists: VirtualMachineLists, ephemeral: ArmId
    ) -> None:
        listed = await lists.of_group(place.subscription, resource_group_of(ephemeral))
        (machine,) = [each for each in listed if each.id.lower() == ephemeral.lower()]

        assert [disk.unsupported for disk in machine.disks if disk.lun is None] == ["is ephemeral"]

    async def test_a_group_that_is_not_there_has_no_vms(
        self, place: MachinePlace, lists: VirtualMachineLists
    ) -> None:
        assert list(await lists.of_group(place.subscription, "rg-that-nobody-made")) == []

    async def test_a_subscription_without_rights_is_refused(
        self, place: MachinePlace, lists: VirtualMachineLists, foreign: str
    ) -> None:
        with pytest.raises(RefusedForNow) as caught:
            await lists.of_group(foreign, resource_group_of(place.there[0]))
        assert caught.value.reason == "NotAuthorized"
        with pytest.raises(RefusedForNow) as caught:
            await lists.of_subscription(foreign)
        assert caught.value.reason == "NotAuthorized"
