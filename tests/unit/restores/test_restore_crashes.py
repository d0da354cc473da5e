"""The operator killed at each write of a restore: the same end, and nothing is left over."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancel,
    holders,
    is_as_backed_up,
    made_disks,
    restoring_world,
    undo_what_is_left,
)
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_world import World

#: Asking for this twice is harmless, and what a crash before the record of the first one leads to.
REPEATABLE = ("message to vmb-jobs",)


async def test_killed_anywhere_the_restore_ends_complete_and_asks_for_nothing_twice() -> None:
    moments, _ = await run_through_kills(await restoring_world(), RESTORE, 0)
    assert moments > 60

    for at in some_of(range(1, moments + 1)):
        world = await restoring_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        status = world.restored(RESTORE)
        assert status.outcome == "Succeeded", (where, status.message)
        assert status.attempt == 1, where
        twice = [what for what, count in world.azure.asked.items() if count > 1]
        assert all(what.startswith(REPEATABLE) for what in twice), (where, twice)
        assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True], where
        assert [disk.state for disk in made_disks(world)] == ["Unattached"] * 2, where
        assert holders(world) == [], where
        assert world.undo_records.stored == {}, where
        assert {each.state for each in world.azure.workers.values()} == {"deallocated"}, where
        assert world.restores.stored[RESTORE.at].metadata.finalizers == (), where


async def test_killed_anywhere_on_the_way_to_its_end_a_cancelled_restore_leaves_nothing() -> None:
    async def cancelled_world() -> World:
        world = await restoring_world()
        await world.run_until("AccessGranted", RESTORE)
        cancel(world)
        return world

    moments, _ = await run_through_kills(await cancelled_world(), RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        assert world.restored(RESTORE).outcome == "Cancelled", where
        assert made_disks(world) == [], where
        assert holders(world) == [], where
        assert world.undo_records.stored == {}, where


@pytest.mark.parametrize("every", [7, 11])
async def test_killed_again_and_again_the_restore_still_ends(every: int) -> None:
    world = await restoring_world()

    await run_killed_every(world, RESTORE, every, starts=500)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert all(is_as_backed_up(world, disk) for disk in made_disks(world))
    assert holders(world) == []
