"""A worker between two sessions: given on, or stopped, or gone in the middle of it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.worlds.memory_azure import APPLIANCE, AWAY, SUBSCRIPTION
from tests.worlds.memory_workers import put_worker
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, machine, session_of
from vmbackup_core.errors import LostAttempt
from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import ArmId, arm_id, environment_names, worker_vm_name
from vmbackup_operator.sessions.seen import WorkerSeen, WorkerState, WorkerWanted

ANOTHER_VM = ArmId(VM.replace("web-01", "web-02"))
IDLE = WorkerId("0123456789abcdef0123-1")


def idle_worker(world: World, state: WorkerState = "deallocated") -> ArmId:
    group = environment_names(APPLIANCE, SUBSCRIPTION, AWAY).resource_group
    resource_type = "Microsoft.Compute/virtualMachines"
    vm_id = arm_id(SUBSCRIPTION, group, resource_type, worker_vm_name(IDLE))
    put_worker(world.azure, world.ring, vm_id, IDLE, state)
    return vm_id


def worker(world: World, key: ObjectKey = KEY) -> SessionWorker:
    found = world.status(key).worker
    assert found is not None
    return found


async def assigned(world: World) -> None:
    await world.run_until("EnvironmentReady")
    await world.look()


async def test_a_worker_that_is_being_deleted_is_given_to_nobody(world: World) -> None:
    idle_worker(world, "deleting")

    await assigned(world)

    assert worker(world).id != IDLE


@pytest.mark.parametrize("state", ["gone", "deleting"])
async def test_an_inherited_worker_that_goes_is_neither_used_nor_made_again(
    world: World, state: str
) -> None:
    vm_id = idle_worker(world)
    await assigned(world)
    assert worker(world).id == IDLE

    if state == "gone":
        del world.azure.workers[vm_id.lower()]
    else:
        dying = world.azure.workers[vm_id.lower()]
        world.azure.workers[vm_id.lower()] = dataclasses.replace(dying, state="deleting")
    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert worker(world).id != IDLE
    assert world.azure.asked[f"worker {vm_id}"] == 0


async def test_a_run_command_that_azure_gave_up_is_sent_again(world: World) -> None:
    await world.run_until("EnvironmentReady")
    while not world.azure.command_states:
        await world.look()
        world.clock.turn(5)
    world.azure.command_states.clear()
    world.azure.commands.clear()

    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    sent = {what: count for what, count in world.azure.asked.items() if what.startswith("command")}
    assert sum(sent.values()) == 2


async def test_a_worker_that_was_given_on_is_not_stopped(world: World) -> None:
    await world.run_until("AccessRevoked")
    next_key = ObjectKey("team", "next")
    world.add(machine(vm_id=ANOTHER_VM))
    world.sessions.put(session_of(next_key, ANOTHER_VM))
    await world.run_until("EnvironmentReady", next_key)
    await world.look(next_key)

    await world.look()

    assert worker(world, next_key).id == worker(world).id
    assert world.condition("WorkerReleased").message.endswith(f"serves {next_key}")
    assert not [what for what in world.azure.order if what.startswith("deallocate")]


async def nothing(_world: World) -> None:
    """Nobody hears of the session meanwhile."""


async def read_again(world: World) -> None:
    """As by who hears the worker, whose queue has gone."""
    await world.booked.find(KEY)


async def told_late(world: World) -> None:
    """As by the watch, behind the write's answer."""
    world.booked.seen(world.sessions.stored[KEY])


async def watched_no_more(world: World) -> None:
    """As by the watch, which follows unfinished sessions alone."""
    world.booked.gone(KEY)


@pytest.mark.parametrize("told", [nothing, read_again, told_late, watched_no_more])
async def test_a_worker_that_is_being_stopped_is_given_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, told: Callable[[World], Awaitable[None]]
) -> None:
    await world.run_until("AccessRevoked")
    next_key = ObjectKey("team", "next")
    world.add(machine(vm_id=ANOTHER_VM))
    world.sessions.put(session_of(next_key, ANOTHER_VM))
    await world.run_until("EnvironmentReady", next_key)
    asked = asyncio.Event()

    async def slowly(_vm_id: ArmId) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(world.ground.workers, "deallocate", slowly)
    releasing = asyncio.create_task(world.look())
    await asked.wait()
    await told(world)

    await world.look(next_key)

    assert world.status(next_key).worker is None
    assert world.condition("WorkerReady", next_key).reason == "WorkerBusy"
    releasing.cancel()


async def test_a_quota_that_is_used_up_is_waited_for_by_another_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure, told = world.ground.workers.ensure, "Standard DSv5 cores: 10 of 10 are in use"
    left = 1

    async def without_room(wanted: WorkerWanted) -> WorkerSeen:
        nonlocal left
        left -= 1
        if left >= 0:
            raise LostAttempt(told, reason="OperationNotAllowed")
        return await ensure(wanted)

    monkeypatch.setattr(world.ground.workers, "ensure", without_room)

    await world.run()

    (error,) = world.status().errors
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 2)
    assert (error.reason, error.message) == ("OperationNotAllowed", told)


async def test_a_worker_that_goes_before_its_agent_spoke_is_replaced(world: World) -> None:
    await world.run_until("EnvironmentReady")
    while not world.azure.command_states:
        await world.look()
        world.clock.turn(5)
    first = worker(world)
    await world.ground.workers.delete(ArmId(first.vm_id))

    await world.run()

    assert world.status().outcome == "Succeeded"
    assert [error.reason for error in world.status().errors] == ["WorkerLost"]
    assert worker(world).id != first.id
    assert world.azure.asked[f"worker {first.vm_id}"] == 1


async def test_a_worker_that_is_stopped_before_its_agent_spoke_is_started_again(
    world: World,
) -> None:
    await world.run_until("EnvironmentReady")
    while world.status().worker is None or worker(world).launched_at is None:
        await world.look()
        world.clock.turn(5)
    await world.ground.workers.deallocate(ArmId(worker(world).vm_id))

    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)


async def test_a_worker_that_is_stopped_behind_its_command_is_started_again_before_its_time_is_over(
    world: World,
) -> None:
    """The command stays, and says nothing of it; one who waits for a launch's time waits long."""
    await world.run_until("EnvironmentReady")
    while not world.azure.command_states:
        await world.look()
        world.clock.turn(5)
    command, began = dict(world.azure.commands), world.clock.now()
    await world.ground.workers.deallocate(ArmId(worker(world).vm_id))
    for _ in range(3):
        await world.look()
        world.clock.turn(5)
    assert world.azure.commands == command

    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    limit = timedelta(seconds=world.pacing.launch_timeout_s)
    assert world.clock.now() - began < limit
