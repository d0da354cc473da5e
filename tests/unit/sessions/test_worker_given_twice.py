"""A worker that two processes gave to two sessions serves one of them; the other gets another."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, machine, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import arm_id

SECOND = ObjectKey("team", "other-vm")
OTHER_VM = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", "web-02")


@pytest.fixture
def world() -> World:
    made = World()
    made.azure.max_workers = 2
    made.add(machine(vm_id=OTHER_VM))
    made.sessions.put(session_of())
    made.sessions.put(session_of(SECOND, OTHER_VM))
    return made


async def write_worker_of(world: World, first: ObjectKey, into: ObjectKey) -> SessionWorker:
    """Write the worker of *first* into another session, as a process that was paused does."""
    worker = world.status(first).worker
    assert worker is not None
    session = world.sessions.stored[into]
    given = SessionWorker(id=worker.id, vm_id=worker.vm_id, attempt=1)
    await world.sessions.write_status(
        replace(session, status=replace(session.status, worker=given))
    )
    world.start()
    return worker


async def test_who_has_launched_its_agent_keeps_the_worker(world: World) -> None:
    await world.run_until("EnvironmentReady", SECOND)
    await world.run_until("ExportGranted", KEY)
    worker = await write_worker_of(world, KEY, into=SECOND)
    commands = len(world.azure.commands)

    await world.look(SECOND)
    assert world.status(SECOND).worker is None
    assert len(world.azure.commands) == commands

    await world.run(KEY, SECOND)
    for key in (KEY, SECOND):
        assert (world.status(key).outcome, world.status(key).attempt) == ("Succeeded", 1)
    assert world.status(KEY).worker == replace(
        worker, **{name: getattr(world.status(KEY).worker, name) for name in CHANGING}
    )
    assert len(world.azure.workers) == 2


#: What a conversation moves on in a worker's status.
CHANGING = ("job_sequence", "last_event_sequence", "last_heartbeat_time", "credentials_expire_at")


async def test_of_two_that_have_not_launched_who_began_first_keeps_it(world: World) -> None:
    await world.look(KEY)
    world.clock.turn(5)
    await world.run_until("EnvironmentReady", SECOND)
    await world.run_until("EnvironmentReady", KEY)
    while not world.azure.workers:
        await world.look(KEY)
    worker = await write_worker_of(world, KEY, into=SECOND)
    assert worker.launched_at is None

    await world.look(SECOND)
    assert world.status(SECOND).worker is None
    await world.look(KEY)
    assert world.status(KEY).worker is not None

    await world.run(KEY, SECOND)
    for key in (KEY, SECOND):
        assert (world.status(key).outcome, world.status(key).attempt) == ("Succeeded", 1)
