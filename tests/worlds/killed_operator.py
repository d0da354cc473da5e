"""An operator that is killed in the middle of a session, and goes on after a new start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.worlds.memory_world import Killed, World
from vmbackup_operator.model.metadata import ObjectKey


async def run_killed(
    world: World, key: ObjectKey, at: int, look: Callable[[], None] = lambda: None
) -> None:
    """Run the session to its end; the operator is killed in its write number *at*.

    *look* is called at every write.
    """
    count = 0

    def meet(_what: str) -> None:
        nonlocal count
        count += 1
        look()
        if count == at:
            raise Killed

    world.meets(meet)
    try:
        await world.run(key)
    except Killed:
        world.start()
        await world.run(key)
    world.meets(lambda _what: None)


async def run_through_kills(world: World, key: ObjectKey, at: int) -> tuple[int, str]:
    """Run the session, killing at the write number *at*; return how many there were, and where."""
    return await go_through_kills(world, lambda: world.run(key), at)


async def go_through_kills(
    world: World, go: Callable[[], Awaitable[object]], at: int
) -> tuple[int, str]:
    """Do what *go* does, anew after the kill, as `run_through_kills` does."""
    count, where = 0, ""

    def meet(what: str) -> None:
        nonlocal count, where
        count += 1
        if count == at:
            where = what
            raise Killed

    world.meets(meet)
    while True:
        try:
            await go()
        except Killed:
            world.start()
        else:
            world.meets(lambda _what: None)
            return count, where


async def run_killed_every(world: World, key: ObjectKey, every: int, *, starts: int) -> None:
    """Run the session, killing at each write whose number *every* divides, *starts* times."""
    count = 0

    def meet(_what: str) -> None:
        nonlocal count
        count += 1
        if count % every == 0:
            raise Killed

    world.meets(meet)
    for _ in range(starts):
        try:
            await world.run(key)
        except Killed:
            world.start()
        else:
            return
