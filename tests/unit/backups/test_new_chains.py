"""A backup that is told to uses nothing of what is stored of its disks; what is there stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds.killed_operator import run_killed
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_operator.model.metadata import ObjectKey

SECOND = ObjectKey("team", "second")


def chains(world: World, key: ObjectKey = KEY) -> set[str]:
    return {each.chain_id or "" for each in world.status(key).disks}


async def backed_up(world: World, key: ObjectKey, **spec: Any) -> None:
    world.clock.turn(3600)
    world.sessions.put(session_of(key, **spec))
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"


async def test_its_disks_go_to_new_chains_and_those_of_the_next_one_too(world: World) -> None:
    await world.run()
    await backed_up(world, SECOND, new_chain=True)
    third = ObjectKey("team", "third")
    await backed_up(world, third)

    assert len(chains(world)) == 3
    assert chains(world).isdisjoint(chains(world, SECOND))
    assert chains(world, third) == chains(world, SECOND)
    assert [each.slot for each in world.status(SECOND).disks] == [1, 1, 1]


@pytest.mark.parametrize("at", range(0, 24, 3))
async def test_killed_behind_any_write_it_begins_no_chain_twice(world: World, at: int) -> None:
    await world.run()
    world.sessions.put(session_of(SECOND, new_chain=True))
    await run_killed(world, SECOND, at)

    await backed_up(world, ObjectKey("team", "third"))
    assert chains(world, ObjectKey("team", "third")) == chains(world, SECOND)
    assert [each.slot for each in world.status(SECOND).disks] == [1, 1, 1]
