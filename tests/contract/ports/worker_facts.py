"""What Azure's worker VMs and their Run Commands promise."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.naming import APPLIANCE_TAG, WORKER_TAG, ArmId, arm_id, worker_vm_name
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.ports import Commands, Workers
from vmbackup_operator.sessions.seen import (
    CommandSeen,
    CommandWanted,
    Region,
    WorkerSeen,
    WorkerWanted,
)


@dataclass(frozen=True)
class WorkerPlace:
    """Where workers run: a region that is ready."""

    workers: Workers
    commands: Commands
    region: Region
    ring: KeyRing
    appliance: str
    until: Until
    #: What somebody else with rights in the group may do: give a VM other tags, or delete it.
    retag: Callable[[ArmId, Mapping[str, str]], Awaitable[None]]
    remove: Callable[[ArmId], Awaitable[None]]

    def wanted(self, ring: KeyRing | None = None) -> WorkerWanted:
        """Return a worker of ours that nobody launched yet."""
        worker = WorkerId(f"{uuid.uuid4().hex[:20]}-1")
        resource_type, name = "Microsoft.Compute/virtualMachines", worker_vm_name(worker)
        region = self.region
        vm_id = arm_id(region.subscription_id, region.resource_group, resource_type, name)
        sealed = (ring or self.ring).ownership(self.appliance).sealed_tag(vm_id)
        tags = {APPLIANCE_TAG: self.appliance, WORKER_TAG: worker, **sealed}
        return WorkerWanted(vm_id, worker, RunId(uuid.uuid4().hex), region, tags)

    async def launch(self, wanted: WorkerWanted) -> WorkerSeen:
        async def running() -> WorkerSeen | None:
            seen = await self.workers.ensure(wanted)
            return seen if seen.state == "running" else None

        seen: WorkerSeen = await self.until(running)
        return seen

    async def listed(self, group: str = "") -> list[WorkerId]:
        return [*await self.shown(group)]

    async def shown(self, group: str = "") -> Mapping[WorkerId, WorkerSeen]:
        """Return what is listed, by its id and in the order of the list."""
        subscription, group = self.region.subscription_id, group or self.region.resource_group
        return {each.id: each for each in await self.workers.of_group(subscription, group)}

    async def end(self, wanted: WorkerWanted) -> None:
        assert await self.until(lambda: self.workers.delete(wanted.vm_id)) is True


class WorkerFacts(Suite):
    """Gets *place*; its ring holds an older key beside the one that seals."""

    ports = (Workers,)

    async def test_one_is_in_the_zone_that_was_asked_for(self, place: WorkerPlace) -> None:
        wanted = replace(place.wanted(), zone="2")
        seen = await place.launch(wanted)

        assert seen.zone == "2"
        assert (await place.shown())[wanted.id].zone == "2"
        await place.end(wanted)

    async def test_one_from_its_launch_to_its_end(self, place: WorkerPlace) -> None:
        wanted = place.wanted()
        assert await place.workers.find(wanted.vm_id) is None
        seen = await place.launch(wanted)
        assert (seen.id, seen.failure) == (wanted.id, None)
        assert wanted.id in await place.listed()

        await place.until(lambda: place.workers.deallocate(wanted.vm_id))
        found = await place.workers.find(wanted.vm_id)
        assert found is not None
        assert (found.id, found.state) == (wanted.id, "deallocated")
        assert found.changed_at is not None
        assert await place.workers.deallocate(wanted.vm_id) is True
        assert (await place.workers.ensure(wanted)).state == "deallocated"

        await place.until(lambda: place.workers.start(wanted.vm_id))
        assert (await place.launch(wanted)).state == "running"
        assert await place.workers.start(wanted.vm_id) is True

        await place.end(wanted)
        assert await place.workers.find(wanted.vm_id) is None
        assert wanted.id not in await place.listed()
        assert await place.workers.delete(wanted.vm_id) is True

    async def test_an_id_is_found_however_it_is_written(self, place: WorkerPlace) -> None:
        wanted = place.wanted()
        await place.launch(wanted)

        assert await place.workers.find(ArmId(wanted.vm_id.upper())) is not None
        assert wanted.id in await place.listed(place.region.resource_group.upper())
        assert await place.listed("rg-that-nobody-made") == []
        await place.end(replace(wanted, vm_id=ArmId(wanted.vm_id.upper())))

    async def test_what_is_gone_is_stopped_and_deleted_and_cannot_be_started(
        self, place: WorkerPlace
    ) -> None:
        wanted = place.wanted()

        assert await place.workers.start(wanted.vm_id) is False
        assert await place.until(lambda: place.workers.deallocate(wanted.vm_id)) is True
        await place.end(wanted)

    async def test_they_are_listed_in_order_of_id(self, place: WorkerPlace) -> None:
        several = [place.wanted() for _ in range(3)]
        await asyncio.gather(*(place.launch(wanted) for wanted in several))
        listed = await place.listed()
        await asyncio.gather(*(place.end(wanted) for wanted in several))

        assert {wanted.id for wanted in several} <= set(listed)
        assert listed == sorted(listed)

    async def test_one_that_is_being_deleted_is_never_shown_as_good(
        self, place: WorkerPlace
    ) -> None:
        wanted = place.wanted()
        await place.launch(wanted)
        await place.workers.delete(wanted.vm_id)

        while (seen := await place.workers.find(wanted.vm_id)) is not None:
            assert seen.state == "deleting"
            assert await place.workers.start(wanted.vm_id) is False
            await place.workers.delete(wanted.vm_id)

    async def test_a_vm_with_plain_tags_is_neither_listed_nor_acted_on(
        self, place: WorkerPlace
    ) -> None:
        wanted = place.wanted()
        await place.launch(wanted)
        await place.retag(wanted.vm_id, plain_tags(place, wanted))
        assert wanted.id not in await place.listed()

        for act in acts_on(place, wanted):
            with pytest.raises(VmbackupError) as refused:
                await act()
            assert getattr(refused.value, "reason", "") == "NotOurs"
        await place.retag(wanted.vm_id, wanted.tags)
        assert await place.workers.find(wanted.vm_id) is not None
        await place.end(wanted)

    async def test_a_vm_whose_key_left_the_ring_is_shown_with_its_doubt_and_not_acted_on(
        self, place: WorkerPlace
    ) -> None:
        wanted = place.wanted()
        await place.launch(wanted)
        older = Ownership(place.appliance, "2025", {"2025": bytes(32)}).sealed_tag(wanted.vm_id)
        await place.retag(wanted.vm_id, {**wanted.tags, **older})

        assert "'2025'" in (await place.shown())[wanted.id].doubt
        for act in acts_on(place, wanted):
            with pytest.raises(VmbackupError, match="'2025'") as refused:
                await act()
            assert getattr(refused.value, "reason", "") == "KeyRingIncomplete"
        await place.remove(wanted.vm_id)

    async def test_one_that_an_older_key_sealed_is_sealed_anew(self, place: WorkerPlace) -> None:
        newer, older = place.wanted(), place.wanted(older_ring(place.ring))
        await asyncio.gather(place.launch(newer), place.launch(older))
        before = await place.shown()
        assert await place.workers.seal(newer.vm_id) is True
        await place.until(lambda: place.workers.seal(older.vm_id))
        after = await place.shown()
        assert await place.workers.seal(older.vm_id) is True
        await asyncio.gather(place.end(newer), place.end(older))

        assert [before[each.id].outdated for each in (newer, older)] == [False, True]
        assert [after[each.id].outdated for each in (newer, older)] == [False, False]
        assert {before[older.id].doubt, after[older.id].doubt} == {""}
        assert await place.workers.seal(older.vm_id) is True


def older_ring(ring: KeyRing) -> KeyRing:
    """Return the ring as it was before the key that seals now came into it."""
    older = next(key for key in ring.keys.values() if key is not ring.active)
    return KeyRing(older, ring.keys)


def plain_tags(place: WorkerPlace, wanted: WorkerWanted) -> Mapping[str, str]:
    """Return the tags that anybody may put on a VM."""
    return {APPLIANCE_TAG: place.appliance, WORKER_TAG: wanted.id}


def acts_on(place: WorkerPlace, wanted: WorkerWanted) -> Sequence[Callable[[], Awaitable[object]]]:
    """Return all that can be done about a worker and its commands, each to be called."""
    workers, commands = place.workers, place.commands
    command = CommandWanted(wanted.vm_id, "launch", place.region.region, "true", {})
    return [
        lambda: workers.find(wanted.vm_id),
        lambda: workers.ensure(wanted),
        lambda: workers.start(wanted.vm_id),
        lambda: workers.deallocate(wanted.vm_id),
        lambda: workers.seal(wanted.vm_id),
        lambda: workers.delete(wanted.vm_id),
        lambda: commands.run(command),
        lambda: commands.delete(wanted.vm_id, "launch"),
    ]


class CommandFacts(Suite):
    """Gets *place*, and *executed*: how often a command's script was begun."""

    ports = (Commands,)

    def command(self, place: WorkerPlace, wanted: WorkerWanted, script: str) -> CommandWanted:
        secret = {"WORD": uuid.uuid4().hex}
        return CommandWanted(wanted.vm_id, "launch", place.region.region, script, secret)

    async def test_one_is_sent_and_forgotten(self, place: WorkerPlace) -> None:
        wanted = place.wanted()
        await place.launch(wanted)
        command = self.command(place, wanted, "true")
        assert await place.commands.find(wanted.vm_id, "launch") is None

        async def sent() -> CommandSeen | None:
            await place.commands.run(command)
            return await place.commands.find(wanted.vm_id, "launch")

        assert await place.until(sent)
        assert await place.commands.find(ArmId(wanted.vm_id.upper()), "launch") is not None
        assert await place.commands.find(wanted.vm_id, "another") is None
        assert command.protected["WORD"] not in repr(command)

        async def forgotten() -> bool:
            await place.commands.delete(wanted.vm_id, "launch")
            return await place.commands.find(wanted.vm_id, "launch") is None

        assert await place.until(forgotten)
        await place.commands.delete(wanted.vm_id, "launch")
        await place.end(wanted)

    async def test_it_goes_with_its_vm(self, place: WorkerPlace) -> None:
        wanted = place.wanted()
        await place.launch(wanted)
        await place.commands.run(self.command(place, wanted, "true"))
        await place.end(wanted)

        assert await place.commands.find(wanted.vm_id, "launch") is None
        with pytest.raises(VmbackupError):
            await self.run_again(place, wanted)

    async def test_a_vm_that_does_not_run_takes_none(self, place: WorkerPlace) -> None:
        wanted = place.wanted()
        await place.launch(wanted)
        await place.until(lambda: place.workers.deallocate(wanted.vm_id))

        with pytest.raises(VmbackupError):
            await self.run_again(place, wanted)
        assert await place.commands.find(wanted.vm_id, "launch") is None
        await place.end(wanted)

    async def run_again(self, place: WorkerPlace, wanted: WorkerWanted) -> None:
        """Send a command until it is refused."""

        async def sent() -> bool:
            await place.commands.run(self.command(place, wanted, "true"))
            return await place.commands.find(wanted.vm_id, "launch") is not None

        await place.until(sent)
