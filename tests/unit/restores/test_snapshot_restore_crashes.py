"""The operator killed at each write of a restore from snapshots, and of what takes one back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.sampling import some_of
from tests.unit.restores.copying_worlds import copied_machine_world
from tests.unit.restores.restoring_worlds import RESTORE, cancelled_when, undo_what_is_left
from tests.unit.restores.vm_worlds import VM_TARGET
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_targets import RESTORED_GROUP
from tests.worlds.memory_world import World

NAME = "back-again"
MACHINE = f"{RESTORED_GROUP}/providers/Microsoft.Compute/virtualMachines/{NAME}".lower()


async def machine_world() -> World:
    return await copied_machine_world(target=replace(VM_TARGET, vm_name=NAME))


def check_restored(world: World, where: str) -> None:
    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", (where, status.message)
    assert status.attempt == 1, where
    assert len(world.loose.copies) == 2, where
    assert all(each.ready for each in world.loose.copies.values()), where
    assert len(world.target.parts) == 2, where
    assert all(part.ready for part in world.target.parts.values()), where
    assert world.undo_records.stored == {}, where
    assert [what for what, count in world.azure.asked.items() if count > 1] == [], where


async def test_killed_anywhere_everything_is_made_once() -> None:
    moments, _ = await run_through_kills(await machine_world(), RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await machine_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        check_restored(world, where)


async def test_killed_again_and_again_it_still_ends() -> None:
    world = await machine_world()
    await run_killed_every(world, RESTORE, 5, starts=500)
    await undo_what_is_left(world)

    check_restored(world, "every fifth write")


async def cancelled_world(is_so: Callable[[World], bool]) -> World:
    return await cancelled_when(await machine_world(), "Accepted", is_so)


@pytest.mark.parametrize(
    "is_so",
    [
        pytest.param(lambda world: len(world.loose.copies) == 2, id="its disks are asked for"),
        pytest.param(lambda world: len(world.target.parts) == 1, id="its interface is made"),
        pytest.param(lambda world: MACHINE in world.target.parts, id="its VM is made"),
    ],
)
async def test_killed_anywhere_while_it_is_taken_back_nothing_is_left(
    is_so: Callable[[World], bool],
) -> None:
    moments, _ = await run_through_kills(await cancelled_world(is_so), RESTORE, 0)
    assert moments > 5

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world(is_so)
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        assert world.restored(RESTORE).outcome == "Cancelled", where
        assert world.loose.copies == {}, where
        assert world.target.parts == {}, where
        assert world.undo_records.stored == {}, where
