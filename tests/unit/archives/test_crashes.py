"""The operator killed at each write of an archive session: the same end, nothing held or left."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.unit.archives.archiving_worlds import (
    ARCHIVING,
    archived_packs,
    archived_points,
    archiving_world,
    holders,
    prune,
    undo_what_is_left,
)
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.samples import VM


async def test_killed_anywhere_the_session_ends_complete_and_archives_once() -> None:
    moments, _ = await run_through_kills(await archiving_world(), ARCHIVING, 0)
    assert moments > 40

    for at in some_of(range(1, moments + 1)):
        world = await archiving_world()
        _, where = await run_through_kills(world, ARCHIVING, at)
        await undo_what_is_left(world)

        status = world.status(ARCHIVING)
        assert status.outcome == "Succeeded", where
        assert status.attempt == 1, where
        (point,) = archived_points(world)
        assert point.run_id == status.recovery_point, where
        assert holders(world) == [], where
        assert {each.state for each in world.azure.workers.values()} == {"deallocated"}, where
        assert world.azure.queues == {}, where
        assert world.undo_records.stored == {}, where
        assert world.sessions.stored[ARCHIVING].metadata.finalizers == (), where


@pytest.mark.parametrize("every", [7, 9])
async def test_killed_again_and_again_the_session_still_ends(every: int) -> None:
    world = await archiving_world()

    await run_killed_every(world, ARCHIVING, every, starts=500)

    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert holders(world) == []
    assert len(archived_points(world)) == 1


@pytest.mark.parametrize(
    "condition", ["Accepted", "EnvironmentReady", "WorkerReady", "DataArchived", "Committed"]
)
@pytest.mark.parametrize("process", ["same", "another"])
async def test_one_whose_finalizer_was_stripped_leaves_nothing_that_stays(
    condition: str, process: str
) -> None:
    world = await archiving_world()
    world.azure.workers.clear()  # so that it makes one of its own
    await world.run_until(condition, ARCHIVING)
    del world.sessions.stored[ARCHIVING]
    world.sessions.gone(ARCHIVING)
    if process == "another":
        world.start()

    await undo_what_is_left(world)

    assert holders(world) == []
    assert {each.state for each in world.azure.workers.values()} <= {"deallocated"}
    assert world.undo_records.stored == {}
    assert archived_points(world) == []
    prune(world)
    assert archived_packs(world) == []


async def test_one_that_goes_after_its_point_counts_takes_nothing_of_it_away() -> None:
    world = await archiving_world()
    await world.run_until("RecoveryPointStored", ARCHIVING)
    del world.sessions.stored[ARCHIVING]
    world.sessions.gone(ARCHIVING)

    await undo_what_is_left(world)

    assert len(archived_points(world)) == 1
    assert holders(world) == []
    assert world.undo_records.stored == {}


async def test_its_record_is_no_claim_of_the_vm() -> None:
    world = await archiving_world()
    await world.run_until("WorkerReady", ARCHIVING)

    assert world.undo_records.stored
    assert await world.undo_records.find_claim(VM) is None
