"""The operator killed at each write of a rewind that a worker writes: nothing is done twice."""

from __future__ import annotations

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import RESTORE, cancel, holders, undo_what_is_left
from tests.unit.restores.rewinding_worlds import check_put_back, check_rewound, say_the_word
from tests.unit.restores.rewriting_worlds import (
    are_as_backed_up,
    on_workers,
    rewriting_world,
    written,
)
from tests.worlds.killed_operator import go_through_kills, run_through_kills
from tests.worlds.memory_world import World


async def until_the_word(world: World, at: int) -> tuple[int, str]:
    """Run until the session asks for its word, killing at the write number *at*.

    Writes are counted from where the disks are made: what comes before is what other rewinds, and
    other sessions with a worker, do.
    """
    await world.run_until("DisksCreated", RESTORE)
    return await go_through_kills(world, lambda: written(world), at)


async def test_killed_anywhere_before_the_word_everything_is_made_and_written_once() -> None:
    moments, _ = await until_the_word(await rewriting_world(), 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await rewriting_world()
        _, where = await until_the_word(world, at)
        assert on_workers(world) == [], where
        assert holders(world) == [], where
        say_the_word(world)
        await world.run(RESTORE)
        await undo_what_is_left(world)

        check_rewound(world, where)
        assert are_as_backed_up(world), where
        changes = [each for each in world.azure.order if "disks of" in each]
        assert [each.split(" ")[0] for each in changes] == ["attach", "detach"], where


async def test_killed_anywhere_while_it_is_undone_nothing_is_attached_or_left() -> None:
    async def cancelled_world() -> World:
        world = await rewriting_world()
        await world.run_until("DisksAttached", RESTORE)
        cancel(world)
        return world

    moments, _ = await run_through_kills(await cancelled_world(), RESTORE, 0)
    assert moments > 20

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        check_put_back(world, where)
        assert (on_workers(world), holders(world)) == ([], []), where
