"""The operator killed at each write of a session that reads back: the same end, nothing held."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.unit.verifications.reading_worlds import (
    READING,
    backed_up_world,
    holders,
    packs,
    proven,
    verification,
)
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, machine
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.wiring.tables import UNDO


async def reading_world() -> World:
    world = World()
    world.add(machine(disks=2))
    await backed_up_world(world)
    world.sessions.put(verification(reread=0))
    return world


async def undo_what_is_left(world: World) -> None:
    left = LeftBehind(world.ground, UNDO)
    for _ in range(20):
        await left.reconcile()
        world.clock.turn(10)


async def see_deletions_end(world: World) -> None:
    """Look at the workers until Azure has deleted what it began to delete."""
    for _ in range(5):
        for each in list(world.azure.workers.values()):
            await world.ground.workers.find(each.vm_id)


async def test_killed_anywhere_the_session_ends_complete_and_holds_nothing() -> None:
    moments, _ = await run_through_kills(await reading_world(), READING, 0)
    assert moments > 40

    for at in some_of(range(1, moments + 1)):
        world = await reading_world()
        _, where = await run_through_kills(world, READING, at)
        await undo_what_is_left(world)
        await see_deletions_end(world)

        status = world.status(READING)
        assert status.outcome == "Succeeded", where
        assert status.attempt == 1, where
        assert proven(world) == {"packs": len(packs(world))}, where
        assert holders(world) == [], where
        assert {each.state for each in world.azure.workers.values()} == {"deallocated"}, where
        assert world.azure.queues == {}, where
        assert world.undo_records.stored == {}, where
        assert world.sessions.stored[READING].metadata.finalizers == (), where


@pytest.mark.parametrize("every", [5, 9])
async def test_killed_again_and_again_the_session_still_ends(every: int) -> None:
    world = await reading_world()

    await run_killed_every(world, READING, every, starts=500)

    assert world.status(READING).outcome == "Succeeded"
    assert holders(world) == []


@pytest.mark.parametrize("condition", ["Accepted", "EnvironmentReady", "WorkerReady"])
async def test_cancelled_on_its_way_it_holds_nothing(condition: str) -> None:
    world = await reading_world()
    await world.run_until(condition, READING)
    assert holders(world)
    world.sessions.edit_spec(READING, cancel=True)
    await world.run(READING)

    assert world.status(READING).outcome == "Cancelled"
    assert holders(world) == []
    assert world.undo_records.stored == {}


@pytest.mark.parametrize("condition", ["Accepted", "WorkerReady", "DataVerified"])
@pytest.mark.parametrize("process", ["same", "another"])
async def test_one_whose_finalizer_was_stripped_leaves_nothing(
    condition: str, process: str
) -> None:
    world = await reading_world()
    world.azure.workers.clear()  # so that it makes one of its own
    await world.run_until(condition, READING)
    del world.sessions.stored[READING]
    world.sessions.gone(READING)
    if process == "another":
        world.start()

    await undo_what_is_left(world)

    assert holders(world) == []
    assert {each.state for each in world.azure.workers.values()} <= {"deallocated"}
    assert world.undo_records.stored == {}


async def test_its_record_is_no_claim_of_the_vm() -> None:
    world = await reading_world()
    await world.run_until("WorkerReady", READING)

    assert world.undo_records.stored
    assert await world.undo_records.find_claim(VM) is None
