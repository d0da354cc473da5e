"""What is found of what sessions left in Azure."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.ports.suites import Suite
from tests.contract.ports.worker_facts import WorkerPlace
from vmbackup_core.ids import LaunchNonce, RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import (
    arm_id,
    events_queue,
    jobs_queue,
    launch_command,
    launch_messages,
    subscription_of,
)
from vmbackup_operator.sessions.ports import Queues
from vmbackup_operator.sessions.restore_ports import Disks, DiskToMake
from vmbackup_operator.sessions.seen import Account, CommandWanted, Region, WorkerWanted
from vmbackup_operator.sweeping.ports import Remains
from vmbackup_operator.sweeping.things import Place

LAUNCH = LaunchNonce("0123456789abcdef" * 2)


@dataclass(frozen=True)
class RemainsPlace:
    """Two regions that are ready, and what makes workers and queues in them."""

    remains: Remains
    machines: WorkerPlace
    queues: Queues
    home: Region
    #: Has only the interface of a worker made, as a launch does that is killed after it.
    leave_interface: Callable[[WorkerWanted], Awaitable[None]]
    disks: Disks
    #: Where disks may be made.
    group: str
    #: Has a bundle stored that newer ones have taken the place of, and returns its folder.
    leave_bundle: Callable[[Account], Awaitable[str]]

    def upload(self, run: RunId) -> DiskToMake:
        """Return a disk as a restore of the run asks for it, with nothing in it yet."""
        subscription = subscription_of(self.home.account.id)
        kind, name = "Microsoft.Compute/disks", f"restored-{run[:12]}"
        body = {"location": self.home.region, "sku": {"name": "Premium_LRS"}}
        return DiskToMake(arm_id(subscription, self.group, kind, name), run, 1 << 30, None, body)

    async def place_of(self, region: Region) -> Place:
        found = [each for each in await self.remains.places() if each.region == region.region]
        (place,) = found
        return place


class RemainsFacts(Suite):
    """Gets *left*."""

    ports = (Remains,)

    async def test_regions_are_known_by_their_accounts(self, left: RemainsPlace) -> None:
        away = await left.place_of(left.machines.region)
        home = await left.place_of(left.home)

        assert (home.is_home, away.is_home) == (True, False)
        for place, region in ((home, left.home), (away, left.machines.region)):
            assert folded(place.resource_group) == folded(region.resource_group)
            assert folded(place.account.id) == folded(region.account.id)
            assert place.account.queue_url == region.account.queue_url

    async def test_an_interface_is_found_whose_vm_is_not_there(self, left: RemainsPlace) -> None:
        place, machines = await left.place_of(left.machines.region), left.machines
        alone, whole = machines.wanted(), machines.wanted()
        await left.leave_interface(alone)
        await machines.launch(whole)

        found = {each.worker: each.vm_id for each in await left.remains.parts(place)}

        assert folded(found[alone.id]) == folded(alone.vm_id)
        assert whole.id not in found
        for each in (alone, whole):
            await machines.end(each)
        assert alone.id not in {each.worker for each in await left.remains.parts(place)}

    async def test_commands_that_launched_agents_are_found(self, left: RemainsPlace) -> None:
        machines, wanted, run = left.machines, left.machines.wanted(), RunId(uuid.uuid4().hex)
        await machines.launch(wanted)
        assert await left.remains.commands(wanted.vm_id) == []
        region = machines.region.region
        for name in (launch_command(run, 1), "somebodys"):
            command = CommandWanted(wanted.vm_id, name, region, "true", {})
            await machines.commands.run(command)

            async def sent(command: CommandWanted = command) -> bool:
                await machines.commands.run(command)
                return await machines.commands.find(command.vm_id, command.name) is not None

            await machines.until(sent)

        assert [*await left.remains.commands(wanted.vm_id)] == [launch_command(run, 1)]
        await machines.end(wanted)

    async def test_queues_and_messages_of_launches_are_found(self, left: RemainsPlace) -> None:
        account, worker = left.home.account, left.machines.wanted().id
        own = {jobs_queue(worker, LAUNCH), events_queue(worker, LAUNCH)}
        for queue in (*own, "vmb-orders"):
            assert await left.queues.ensure(account, queue)
        prefix, soon = launch_messages(worker, LAUNCH), datetime.now(UTC) + timedelta(hours=1)
        for name in (f"{prefix}job-1", f"{prefix}job-2", "somebodys/job-1"):
            await left.queues.spill(account, name, name.encode(), soon)

        queues, messages = await left.remains.queues(account), await left.remains.messages(account)

        assert own <= set(queues)
        assert "vmb-orders" not in queues
        assert [each for each in messages if each.startswith(worker)] == [prefix]
        assert not [each for each in messages if each.startswith("somebodys")]

    @pytest.mark.parametrize("whole", [False, True], ids=["group", "subscription"])
    async def test_a_restores_disk_is_found_that_has_no_content_yet(
        self, left: RemainsPlace, *, whole: bool
    ) -> None:
        run = RunId(uuid.uuid4().hex)
        wanted, until = left.upload(run), left.machines.until
        await left.disks.request(wanted)

        async def is_ready() -> bool:
            await left.disks.request(wanted)
            seen = await left.disks.find(wanted.id)
            return seen is not None and seen.ready

        await until(is_ready)
        group = None if whole else folded(left.group)
        found = await left.remains.uploads(subscription_of(wanted.id), group)
        await until(lambda: left.disks.delete(wanted.id, run))

        runs = {folded(each.disk_id): each.run_id for each in found}
        assert runs[folded(wanted.id)] == run
        after = await left.remains.uploads(subscription_of(wanted.id), group)
        assert folded(wanted.id) not in {folded(each.disk_id) for each in after}

    async def test_old_bundles_are_found_and_deleted(self, left: RemainsPlace) -> None:
        account = left.machines.region.account
        folder = await left.leave_bundle(account)
        assert folder in await left.remains.old_bundles(account)

        await left.remains.delete_bundle(account, folder)
        await left.remains.delete_bundle(account, folder)

        assert folder not in await left.remains.old_bundles(account)
