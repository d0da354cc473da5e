"""The operator killed at each write of a rewind: the VM ends with all new disks, or its own."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import RESTORE, cancel, undo_what_is_left
from tests.unit.restores.rewinding_worlds import (
    asked_for_the_word,
    check_put_back,
    check_rewound,
    disks_of_vm,
    rewinding_world,
    rewound,
    say_the_word,
)
from tests.worlds.killed_operator import go_through_kills, run_killed_every, run_through_kills
from tests.worlds.memory_world import World
from tests.worlds.samples import VM


async def until_the_word(world: World, at: int) -> tuple[int, str]:
    """Run until the session asks for its word, killing at the write number *at*."""
    return await go_through_kills(world, lambda: asked_for_the_word(world), at)


async def confirmed_world() -> World:
    world = await rewinding_world()
    await asked_for_the_word(world)
    say_the_word(world)
    return world


def check_made_once(world: World, where: str) -> None:
    check_rewound(world, where)
    assert [what for what, count in world.azure.asked.items() if count > 1] == [], where


async def test_killed_anywhere_before_the_word_the_rewind_makes_everything_once() -> None:
    moments, _ = await until_the_word(await rewinding_world(), 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await rewinding_world()
        _, where = await until_the_word(world, at)
        say_the_word(world)
        await world.run(RESTORE)
        await undo_what_is_left(world)

        check_made_once(world, where)


async def test_killed_anywhere_behind_the_word_the_vm_ends_with_all_of_its_new_disks() -> None:
    moments, _ = await run_through_kills(await confirmed_world(), RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await confirmed_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        check_made_once(world, where)


@pytest.mark.parametrize("when", ["before the swap", "in the middle of it"])
async def test_killed_anywhere_while_it_is_undone_the_vm_ends_with_its_own_disks(
    when: str,
) -> None:
    async def cancelled_world() -> World:
        world = await confirmed_world()
        while when != "before the swap" and "0" in disks_of_vm(world):
            await world.look_again(RESTORE)
        cancel(world)
        return world

    moments, _ = await run_through_kills(await cancelled_world(), RESTORE, 0)
    assert moments > 15

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        check_put_back(world, where)


@pytest.mark.parametrize("every", [5, 9])
async def test_killed_again_and_again_the_rewind_still_ends(every: int) -> None:
    world = await confirmed_world()

    await run_killed_every(world, RESTORE, every, starts=500)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert disks_of_vm(world) == {each.disk: each.disk_id for each in rewound(world).disks}
    assert world.loose.power(VM) == "running"
