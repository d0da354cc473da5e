"""What is promised of VMs whose disks are swapped, and of copies that Azure makes of disks."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.rewind_ports import (
    Copies,
    CopyMade,
    CopyToMake,
    DiskPlace,
    MachineNow,
    RewoundMachines,
)


@dataclass(frozen=True)
class SwapPlace:
    """A VM that runs, with an OS disk and data disks at LUNs 0 and 1, and disks to put into it.

    *spare* makes a whole disk with an operating system, of a name that nobody used.
    """

    machines: RewoundMachines
    machine: ArmId
    spare: Callable[[], Awaitable[ArmId]]
    until: Until

    async def now(self) -> MachineNow:
        found = await self.machines.find(self.machine)
        assert found is not None
        return found

    async def held(self, position: str) -> ArmId | None:
        found = (await self.now()).disk_at(position)
        return None if found is None else found.id

    async def place(self, position: str) -> DiskPlace:
        """Return that a new disk is to be at *position*, attached unlike any default."""
        before = (await self.now()).disk_at(position)
        assert before is not None
        return DiskPlace(position, await self.spare(), before.id, "ReadOnly", "Delete")

    async def swap(self, *places: DiskPlace) -> None:
        await self.until(lambda: self.machines.swap(self.machine, places))

    async def stop(self) -> None:
        await self.until(lambda: self.machines.deallocate(self.machine))


class RewoundMachineFacts(Suite):
    """Gets *place*."""

    ports = (RewoundMachines,)

    async def test_a_vm_is_stopped_and_started(self, place: SwapPlace) -> None:
        assert (await place.now()).power == "running"
        await place.stop()
        assert (await place.now()).power == "deallocated"
        assert await place.machines.deallocate(place.machine) is True

        await place.until(lambda: place.machines.start(place.machine))
        assert (await place.now()).power == "running"
        assert await place.machines.start(place.machine) is True

    async def test_a_vm_says_its_disks_as_azure_has_them(self, place: SwapPlace) -> None:
        seen = await place.now()

        assert [each.position for each in seen.disks] == ["os", "0", "1"]
        for each in seen.disks:
            assert same_id(str(each.body["id"]), each.id)
            assert each.body["sku"]["name"]
            assert each.body["location"] == seen.region
            assert each.body["properties"]["diskSizeGB"] > 0

    async def test_disks_are_swapped_and_the_others_stay(self, place: SwapPlace) -> None:
        await place.stop()
        system, data = await place.place("os"), await place.place("1")
        other = await place.held("0")
        await place.swap(system, data)

        seen = await place.now()
        assert same_id(await place.held("os") or "", system.disk_id)
        assert same_id(await place.held("1") or "", data.disk_id)
        assert await place.held("0") == other
        attached = seen.disk_at("1")
        assert attached is not None
        assert (attached.caching, attached.delete_option) == ("ReadOnly", "Delete")
        assert await place.machines.swap(place.machine, [system, data]) is True

        for position, was in (("os", system.instead_of), ("1", data.instead_of)):
            now = await place.held(position)
            assert now is not None
            await place.swap(DiskPlace(position, was, now, "ReadWrite", "Detach"))
        assert same_id(await place.held("1") or "", data.instead_of)

    async def test_a_data_disk_is_gone_before_another_one_comes(self, place: SwapPlace) -> None:
        await place.stop()
        data = await place.place("0")
        seen = []

        async def look() -> bool:
            swapped = await place.machines.swap(place.machine, [data])
            seen.append(await place.held("0"))
            return swapped

        await place.until(look)

        assert None in seen
        assert same_id(seen[-1] or "", data.disk_id)

    async def test_a_disk_that_no_place_names_is_left_alone(self, place: SwapPlace) -> None:
        await place.stop()
        data, before = await place.place("0"), await place.held("0")
        other = DiskPlace("0", data.disk_id, await place.spare())

        with pytest.raises(PermanentError) as refused:
            await place.machines.swap(place.machine, [other])
        assert refused.value.reason == "OtherDiskAttached"
        assert await place.held("0") == before

    async def test_a_vm_that_runs_keeps_its_os_disk(self, place: SwapPlace) -> None:
        await place.until(lambda: place.machines.start(place.machine))
        system = await place.place("os")

        with pytest.raises(VmbackupError):
            await place.swap(system)
        assert same_id(await place.held("os") or "", system.instead_of)

    async def test_of_a_vm_that_is_not_there_there_is_nothing(self, place: SwapPlace) -> None:
        nobody = ArmId(f"{place.machine}-x")
        assert await place.machines.find(nobody) is None

        for act in (place.machines.deallocate(nobody), place.machines.start(nobody)):
            with pytest.raises(PermanentError) as refused:
                await act
            assert refused.value.reason == "VirtualMachineNotFound"


@dataclass(frozen=True)
class CopyPlace:
    """Where copies are made, a disk and a snapshot that are there, and who else makes some.

    *made_by_others* makes a snapshot that is not ours.
    """

    copies: Copies
    #: The same as another appliance sees them, whose keys are others.
    others: Copies
    group: ArmId
    region: str
    disk: ArmId
    snapshot: ArmId
    made_by_others: Callable[[ArmId], Awaitable[None]]
    until: Until

    def snapshot_of_disk(self) -> CopyToMake:
        """Return a snapshot that nobody made yet."""
        return self._wanted("snapshots", self.disk, {"incremental": True})

    def disk_of_snapshot(self) -> CopyToMake:
        """Return a disk that nobody made yet."""
        return self._wanted("disks", self.snapshot, {"diskSizeGB": 4, "osType": "Linux"})

    def _wanted(self, kind: str, source: ArmId, properties: dict[str, object]) -> CopyToMake:
        run = RunId(uuid.uuid4().hex)
        copy_id = ArmId(f"{self.group}/providers/Microsoft.Compute/{kind}/copy-{run[:8]}")
        sku = {"sku": {"name": "Premium_LRS"}} if kind == "disks" else {}
        body = {"location": self.region, "tags": {"team": "web"}, "properties": properties, **sku}
        return CopyToMake(copy_id, run, source, body)

    async def make(self, wanted: CopyToMake) -> CopyMade:
        async def ready() -> CopyMade | None:
            await self.copies.request(wanted)
            seen = await self.copies.find(wanted.id)
            return seen if seen is not None and seen.ready else None

        made: CopyMade = await self.until(ready)
        return made

    async def gone(self, wanted: CopyToMake) -> None:
        await self.until(partial(self.copies.delete, wanted.id, wanted.run_id))


class CopyFacts(Suite):
    """Gets *place*."""

    ports = (Copies,)

    @pytest.mark.parametrize("kind", ["snapshot", "disk"])
    async def test_a_copy_from_its_making_to_its_end(self, place: CopyPlace, kind: str) -> None:
        wanted = place.snapshot_of_disk() if kind == "snapshot" else place.disk_of_snapshot()
        assert await place.copies.find(wanted.id) is None
        made = await place.make(wanted)
        assert same_id(made.id, wanted.id)
        assert (made.run_id, made.failure) == (wanted.run_id, None)
        assert made.unique_id
        await place.copies.request(wanted)
        assert await place.copies.find(wanted.id) == made

        await place.gone(wanted)
        assert await place.copies.find(wanted.id) is None
        assert await place.copies.delete(wanted.id, wanted.run_id) is True

    async def test_what_is_made_again_is_another(self, place: CopyPlace) -> None:
        wanted = place.snapshot_of_disk()
        first = await place.make(wanted)
        await place.gone(wanted)
        second = await place.make(wanted)
        await place.gone(wanted)

        assert first.unique_id != second.unique_id

    async def test_of_what_is_not_there_there_is_no_copy(self, place: CopyPlace) -> None:
        wanted = place.disk_of_snapshot()
        nothing = CopyToMake(wanted.id, wanted.run_id, ArmId(f"{place.snapshot}-x"), wanted.body)

        with pytest.raises(VmbackupError):
            await place.copies.request(nothing)
        assert await place.copies.find(wanted.id) is None

    async def test_what_another_run_made_stays(self, place: CopyPlace) -> None:
        wanted = place.snapshot_of_disk()
        made = await place.make(wanted)

        assert await place.copies.delete(wanted.id, RunId("8" * 32)) is True
        assert await place.copies.find(wanted.id) == made
        await place.gone(wanted)

    async def test_what_somebody_else_made_stays(self, place: CopyPlace) -> None:
        wanted = place.snapshot_of_disk()
        await place.made_by_others(wanted.id)
        found = await place.copies.find(wanted.id)

        assert found is not None
        assert found.run_id is None
        assert await place.copies.delete(wanted.id, wanted.run_id) is True
        assert await place.copies.find(wanted.id) is not None

    async def test_another_appliance_does_not_take_it_for_its_own(self, place: CopyPlace) -> None:
        wanted = place.snapshot_of_disk()
        await place.make(wanted)
        seen = await place.others.find(wanted.id)

        assert seen is not None
        assert seen.run_id is None
        assert await place.others.delete(wanted.id, wanted.run_id) is True
        assert await place.copies.find(wanted.id) is not None
        await place.gone(wanted)
