"""VMs, regions, bundles and recovery points in memory keep what Azure's keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.ports.machine_facts import MachineListFacts, MachinePlace, VirtualMachineFacts
from tests.contract.ports.point_facts import PointFacts, PointPlace
from tests.contract.ports.region_facts import BundleFacts, RegionFacts, RegionPlace
from tests.contract.ports.suites import until_by
from tests.worlds.memory_azure import AWAY, SUBSCRIPTION, Azure
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_machines import MemoryMachines
from tests.worlds.memory_points import MemoryPoints
from tests.worlds.memory_policies import MemoryMachineLists
from tests.worlds.memory_regions import MemoryBundles, MemoryRegions
from tests.worlds.samples import VM, machine
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import DiskWritten, UnmanagedDisk

OTHER = ArmId(f"{VM}-2")
ACCOUNT = ArmId(ready_repository().spec.storage_account_id)


@pytest.fixture
def azure() -> Azure:
    return Azure(TurnedClock())


@pytest.fixture
def place(azure: Azure) -> RegionPlace:
    missing = ArmId(f"{ACCOUNT}-x")
    azure.missing_accounts.add(missing.lower())
    regions, bundles, until = MemoryRegions(azure), MemoryBundles(azure), until_by(azure.clock)
    return RegionPlace(regions, bundles, SUBSCRIPTION, AWAY, ACCOUNT, missing, until)


class TestMemoryRegions(RegionFacts):
    over = (MemoryRegions,)


class TestMemoryBundles(BundleFacts):
    over = (MemoryBundles,)


class TestMemoryMachines(VirtualMachineFacts):
    over = (MemoryMachines,)

    @pytest.fixture
    def place(self) -> MachinePlace:
        return MachinePlace((VM, OTHER), SUBSCRIPTION)

    @pytest.fixture
    def machines(self, azure: Azure, place: MachinePlace) -> MemoryMachines:
        for vm_id in place.there:
            seen = machine(3, vm_id)
            luns = (None, 0, 5)
            disks = zip(seen.disks, luns, strict=True)
            same = [replace(disk, lun=lun, size_bytes=1 << 30) for disk, lun in disks]
            azure.machines[vm_id.lower()] = replace(seen, disks=tuple(same))
        return MemoryMachines(azure)

    @pytest.fixture
    def mixed(self, azure: Azure) -> ArmId:
        vm_id, seen = ArmId(f"{VM}-mixed"), machine()
        os_disk = next(each for each in seen.disks if each.lun is None)
        mixed = replace(seen, id=vm_id, disks=(os_disk,), unmanaged=(UnmanagedDisk("old", 1),))
        azure.machines[vm_id.lower()] = mixed
        return vm_id

    @pytest.fixture
    def ephemeral(self, azure: Azure) -> ArmId:
        azure.unsupported.add(f"{VM}-ephemeral".lower())
        return ArmId(f"{VM}-ephemeral")


class TestMemoryMachineLists(MachineListFacts):
    over = (MemoryMachineLists,)

    @pytest.fixture
    def place(self) -> MachinePlace:
        return MachinePlace((VM, OTHER), SUBSCRIPTION)

    @pytest.fixture
    def foreign(self) -> str:
        return "99999999-9999-4999-8999-999999999999"

    @pytest.fixture
    def lists(self, place: MachinePlace, foreign: str) -> MemoryMachineLists:
        double = MemoryMachineLists()
        double.there, double.luns = set(place.there), (0, 5)
        double.tags = {vm_id: {"team": "web"} for vm_id in place.there}
        double.forbidden.add(foreign)
        return double

    @pytest.fixture
    def ephemeral(self, lists: MemoryMachineLists) -> ArmId:
        vm_id = ArmId(f"{VM}-ephemeral")
        lists.there.add(vm_id)
        lists.ephemeral.add(vm_id)
        return vm_id


class TestMemoryPoints(PointFacts):
    over = (MemoryPoints,)

    @pytest.fixture
    def place(self) -> PointPlace:
        points = MemoryPoints()

        async def write(prepared: PreparedDisk) -> DiskWritten:
            written = points.written(prepared.keys, prepared.grant)
            return DiskWritten(written.manifest, written.sha256)

        return PointPlace(points, ready_repository(), write)
