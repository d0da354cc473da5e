"""What a worker wrote is read back by another one: who lied once would lie again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.verifications.reading_worlds import READING, backed_up_world, verification
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, machine, session_of
from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.workers_past import MOST_WORKERS, WorkersPast

OTHER_VM = ArmId(VM.replace("web-01", "web-02"))
OTHER = ObjectKey("team", "other")


def writer(world: World, key: ObjectKey = KEY) -> WorkerId:
    worker = world.status(key).worker
    assert worker is not None
    return worker.id


def readers(world: World) -> set[WorkerId]:
    return {worker for worker, _, _ in world.read_jobs}


async def back_up_another(world: World) -> WorkerId:
    """Return the worker of another VM's backup, made beside the first one's."""
    world.add(machine(vm_id=OTHER_VM))
    world.sessions.put(session_of(OTHER, OTHER_VM))
    await world.run(OTHER)
    return writer(world, OTHER)


async def test_where_there_is_room_it_gets_a_worker_of_its_own(world: World) -> None:
    world.azure.max_workers = 2

    await world.run(READING)

    assert len(readers(world)) == 1
    assert writer(world) not in readers(world)
    assert writer(world) in {each.id for each in world.azure.workers.values()}


async def test_where_there_is_none_the_idle_writer_makes_room(world: World) -> None:
    await world.run(READING)

    assert world.status(READING).outcome == "Succeeded"
    assert world.status(READING).attempt == 1
    assert len(readers(world)) == 1
    assert {each.id for each in world.azure.workers.values()} == readers(world)
    assert writer(world) not in readers(world)


async def test_a_writer_that_works_for_somebody_is_waited_for_and_not_deleted(
    world: World,
) -> None:
    world.add(machine(vm_id=OTHER_VM))
    world.sessions.put(session_of(OTHER, OTHER_VM))
    await world.run_until("WorkerReady", OTHER)
    assert writer(world, OTHER) == writer(world)
    for _ in range(5):
        await world.look(READING)

    said = world.condition("WorkerReady", READING)
    assert (said.reason, readers(world)) == ("WorkerBusy", set())
    assert writer(world) in {each.id for each in world.azure.workers.values()}
    await world.run(OTHER, READING)
    assert world.status(READING).outcome == "Succeeded"
    assert writer(world) not in readers(world)


async def test_one_that_wrote_another_vm_only_is_taken() -> None:
    world = World()
    world.azure.max_workers = 2
    world.add(machine(vm_id=OTHER_VM))
    world.sessions.put(session_of(OTHER, OTHER_VM))
    world.sessions.put(session_of())
    await world.run(KEY, OTHER)
    assert writer(world) != writer(world, OTHER)
    world.sessions.put(verification())

    await world.run(READING)

    assert readers(world) == {writer(world, OTHER)}


@pytest.mark.parametrize("kept", [True, False])
async def test_nobody_is_trusted_whose_past_a_new_operator_does_not_know(kept: bool) -> None:  # noqa: FBT001 - pytest
    world = await backed_up_world()
    if not kept:
        del world.sessions.stored[KEY]
    before = {each.id for each in world.azure.workers.values()}
    world.start()
    world.sessions.put(verification())

    await world.run(READING)

    assert len(before) == 1
    assert len(readers(world)) == 1
    assert before.isdisjoint(readers(world))


async def test_the_worker_that_an_attempt_gave_back_wrote_as_well() -> None:
    world = await backed_up_world()
    session = world.sessions.stored[KEY]
    past = WorkersPast()
    worker = session.status.worker
    assert worker is not None
    past.note(session)
    past.note(replace(session, status=replace(session.status, worker=None)))

    assert past.may_have_written(worker.id, VM.upper())
    assert not past.may_have_written(worker.id, OTHER_VM)
    assert past.may_have_written(WorkerId("never-seen"), OTHER_VM)


async def test_the_past_of_the_newest_workers_alone_is_kept() -> None:
    session = (await backed_up_world()).sessions.stored[KEY]
    worker = session.status.worker
    assert worker is not None
    past = WorkersPast()
    past.note(session)
    run_id = session.status.run_id
    for attempt in range(2, MOST_WORKERS + 2):
        named = replace(worker, id=WorkerId(f"{worker.id[:-2]}-{attempt}"), attempt=attempt)
        past.note(replace(session, status=replace(session.status, worker=named, run_id=run_id)))

    assert past.may_have_written(worker.id, OTHER_VM)
    assert not past.may_have_written(WorkerId(f"{worker.id[:-2]}-2"), OTHER_VM)
