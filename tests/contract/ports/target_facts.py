"""What is promised of the place that a restore goes to, and of the VM that is made there."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.target_ports import MachineParts, PartToMake, RestoreTargets


@dataclass(frozen=True)
class TargetPlace:
    """A region with a network that has a subnet, and a VM size that is to be had."""

    targets: RestoreTargets
    subscription: str
    region: str
    resource_group: ArmId
    network_id: ArmId
    subnet: str
    size: str
    #: A disk encryption set and a user-assigned identity.
    references: tuple[ArmId, ArmId]


class RestoreTargetFacts(Suite):
    """Gets *place*."""

    ports = (RestoreTargets,)

    async def test_a_network_is_seen_with_its_region_and_its_subnets(
        self, place: TargetPlace
    ) -> None:
        for network in (place.network_id, ArmId(place.network_id.upper())):
            found = await place.targets.find(network)
            assert found is not None
            assert found.region == place.region
            assert place.subnet.lower() in found.subnets
            assert found.run_id is None

    async def test_a_resource_group_is_there(self, place: TargetPlace) -> None:
        assert await place.targets.find(place.resource_group) is not None
        assert await place.targets.find(ArmId(f"{place.resource_group}-x")) is None

    @pytest.mark.parametrize(
        "resource_type",
        [
            "Microsoft.Compute/disks",
            "Microsoft.Compute/virtualMachines",
            "Microsoft.Network/networkInterfaces",
            "Microsoft.Network/virtualNetworks",
            "Microsoft.Network/networkSecurityGroups",
            "Microsoft.Compute/diskEncryptionSets",
            "Microsoft.ManagedIdentity/userAssignedIdentities",
        ],
    )
    async def test_what_is_not_there_is_none(self, place: TargetPlace, resource_type: str) -> None:
        nothing = ArmId(f"{place.resource_group}/providers/{resource_type}/nobody-made-it")

        assert await place.targets.find(nothing) is None

    async def test_what_disks_and_vms_refer_to_is_seen_with_its_region(
        self, place: TargetPlace
    ) -> None:
        for reference in place.references:
            found = await place.targets.find(reference)
            assert found is not None
            assert found.id.lower() == reference.lower()
            assert found.region == place.region

    async def test_a_sizes_cores_count_on_a_quota_of_the_region(self, place: TargetPlace) -> None:
        size = await place.targets.find_size(place.subscription, place.region, place.size.upper())
        assert size is not None
        usages = await place.targets.usages(place.subscription, place.region)

        names = {usage.name.lower() for usage in usages}
        assert {"cores", "virtualmachines", size.family.lower()} <= names
        assert size.cores > 0
        assert size.data_disks is not None
        assert size.data_disks > 0
        assert all(0 <= usage.used <= usage.limit and usage.words for usage in usages)

    async def test_a_size_that_nobody_sells_is_none(self, place: TargetPlace) -> None:
        assert await place.targets.find_size(place.subscription, place.region, "Standard_X") is None


@dataclass(frozen=True)
class PartPlace:
    """Where interfaces and VMs are made; *made_by_others* makes an interface that is not ours."""

    parts: MachineParts
    resource_group: ArmId
    until: Until
    interface_body: dict[str, object]
    machine_body: Callable[[ArmId], Awaitable[dict[str, object]]]
    made_by_others: Callable[[ArmId], Awaitable[None]]

    def interface(self, run: RunId | None = None) -> PartToMake:
        """Return an interface that nobody made yet."""
        name = f"nic-{uuid.uuid4().hex[:8]}"
        return PartToMake(self._id("Microsoft.Network/networkInterfaces", name), run or RUN,
                          self.interface_body)  # fmt: skip

    async def machine(self, interface: PartToMake) -> PartToMake:
        """Return a VM with that interface that nobody made yet."""
        name = f"vm-{uuid.uuid4().hex[:8]}"
        vm_id = self._id("Microsoft.Compute/virtualMachines", name)
        return PartToMake(vm_id, RUN, await self.machine_body(interface.id))

    def _id(self, resource_type: str, name: str) -> ArmId:
        _, _, subscription, _, group = self.resource_group.split("/")
        return arm_id(subscription, group, resource_type, name)


RUN = RunId("7" * 32)
OTHER = RunId("8" * 32)


class MachinePartFacts(Suite):
    """Gets *place*."""

    ports = (MachineParts,)

    async def test_interface_and_vm_from_their_making_to_their_end(self, place: PartPlace) -> None:
        interface = place.interface()
        assert await place.parts.find(interface.id) is None
        made = await place.until(lambda: place.parts.request(interface))
        assert (made.run_id, made.ready, made.failure) == (RUN, True, None)
        machine = await place.machine(interface)
        made = await place.until(lambda: place.parts.request(machine))
        assert (made.run_id, made.ready, made.failure) == (RUN, True, None)
        assert await place.parts.request(machine) == await place.parts.find(machine.id)

        for part in (machine, interface):
            await place.until(partial(place.parts.delete, part.id, RUN))
            assert await place.parts.find(part.id) is None
            assert await place.parts.delete(part.id, RUN) is True

    async def test_what_another_run_made_is_not_touched(self, place: PartPlace) -> None:
        interface = place.interface(OTHER)
        await place.until(lambda: place.parts.request(interface))
        ours = PartToMake(interface.id, RUN, interface.body)

        with pytest.raises(PermanentError) as refused:
            await place.parts.request(ours)
        assert refused.value.reason == "NotOurs"
        with pytest.raises(PermanentError) as refused:
            await place.parts.delete(interface.id, RUN)
        assert refused.value.reason == "NotOurs"
        await place.until(lambda: place.parts.delete(interface.id, OTHER))

    async def test_what_somebody_else_made_is_not_touched(self, place: PartPlace) -> None:
        wanted = place.interface()
        await place.made_by_others(wanted.id)
        found = await place.parts.find(wanted.id)

        assert found is not None
        assert found.run_id is None
        assert found.doubt
        for act in (place.parts.request(wanted), place.parts.delete(wanted.id, RUN)):
            with pytest.raises(PermanentError) as refused:
                await act
            assert refused.value.reason == "NotOurs"
