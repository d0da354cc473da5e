"""An operator that is killed once in the middle of a session, and goes on after a new start."""

from __future__ import annotations

from collections.abc import Callable

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
