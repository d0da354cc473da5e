"""Worlds whose workers say what tests have them say, and nothing else."""

from __future__ import annotations

from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, machine, session_of
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import Event, Header, Passing, seal, write_message
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import arm_id
from vmbackup_operator.sessions.findings import backup_job

OTHER = ObjectKey("team", "other")


async def transferring_world() -> World:
    """Return a world whose session waits for its worker, which has its job and is silent."""
    world = World()
    world.sessions.put(session_of())
    await _bring_to_transfer(world, KEY)
    return world


async def two_at_work() -> World:
    """Return a world with two sessions, of a VM each, whose workers have their jobs."""
    world = World()
    world.azure.max_workers = 2
    second = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", "web-02")
    world.add(machine(vm_id=second))
    world.sessions.put(session_of())
    world.sessions.put(session_of(OTHER, second))
    for key in (KEY, OTHER):
        await _bring_to_transfer(world, key)
    return world


async def _bring_to_transfer(world: World, key: ObjectKey) -> None:
    await world.run_until("ExportGranted", key)
    await world.intake.round()
    worker = world.status(key).worker
    assert worker is not None
    world.silent_workers.add(worker.vm_id)
    while worker is None or worker.job_sequence == 0:
        await world.look(key)
        await world.intake.round()
        worker = world.status(key).worker
    world.clock.turn(60)


def say(
    world: World,
    said: Event | bytes,
    sequence: int,
    about: str | None = None,
    key: ObjectKey = KEY,
) -> None:
    """Have the session's worker say an event, or some bytes under its own key."""
    worker = world.status(key).worker
    assert worker is not None
    job = backup_job(world.sessions.stored[key]) if about is None else JobId(about)
    payload = said if isinstance(said, bytes) else write_message(said)
    text = seal(world.launch_key(key), Header("event", worker.id, job, sequence), payload)
    world.say_text(text, world.events_queue(key), passing=isinstance(said, Passing))
