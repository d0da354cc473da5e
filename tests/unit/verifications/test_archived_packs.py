"""A verification that is due of packs in the Archive tier: by the listing, and without a worker."""

from __future__ import annotations

import pytest

from tests.unit.verifications.reading_worlds import (
    READING,
    backed_up_world,
    holders,
    packs,
    proven,
    verification,
)
from tests.worlds.killed_operator import run_through_kills
from tests.worlds.memory_containers import Container
from tests.worlds.memory_points import CONTAINER
from tests.worlds.memory_world import World
from tests.worlds.samples import machine
from vmbackup_operator.upkeep.verifying import concluded


def data_of(world: World) -> Container:
    return world.points.containers.container(CONTAINER)


async def archived_world() -> World:
    """Return a world all of whose packs are in the tier, and of which something is to be read."""
    world = World()
    world.add(machine())
    await backed_up_world(world)
    for name in packs(world):
        data_of(world).archive(name)
    world.azure.workers.clear()
    world.sessions.put(verification())
    return world


async def test_it_reads_none_and_says_what_it_has_seen_of_them() -> None:
    world = await archived_world()
    await world.run(READING)

    status, count = world.status(READING), len(packs(world))
    assert status.outcome == "Succeeded", status.message
    assert status.verified is not None
    assert status.verified.archived == 2 * count  # once as what is new, and once in its turn
    assert (status.verified.packs, status.verified.bad, status.verified.unreadable) == (0, 0, 0)
    assert status.verified.findings == ()
    said = f"{2 * count} packs in the Archive tier: there, as long as stored, and not read"
    assert said in status.message
    assert status.message.endswith("nothing is wrong")
    assert data_of(world).refused == []
    assert proven(world) == {"packs": 0, "rota": 0}


async def test_no_worker_is_launched_for_it() -> None:
    world = await archived_world()
    await world.run(READING)

    assert world.azure.workers == {}
    assert world.read_jobs == []
    assert holders(world) == []
    assert world.undo_records.stored == {}


async def test_nothing_is_brought_back_for_it() -> None:
    world = await archived_world()
    before = [each.name for each in data_of(world).list("")]
    await world.run(READING)

    assert [each.name for each in data_of(world).list("")] == before
    assert all(each.archived for each in data_of(world).list("") if each.name in packs(world))


async def test_one_that_is_gone_is_found_beside_them() -> None:
    world = await archived_world()
    gone = packs(world)[0]
    data_of(world).delete(gone)
    await world.run(READING)

    verified = world.status(READING).verified
    assert verified is not None
    assert verified.bad >= 1
    assert any("missing" in each for each in verified.findings)


@pytest.mark.parametrize("at", [2, 5, 8])
async def test_killed_meanwhile_it_ends_alike(at: int) -> None:
    world = await archived_world()
    _, where = await run_through_kills(world, READING, at)

    status = world.status(READING)
    assert status.outcome == "Succeeded", where
    assert status.verified is not None, where
    assert status.verified.bad == 0, where
    assert status.verified.archived > 0, where
    assert holders(world) == [], where


async def test_upkeep_says_that_they_were_not_read() -> None:
    world = await archived_world()
    await world.run(READING)

    ended = concluded([world.sessions.stored[READING]], None)

    assert ended.outcome == "Succeeded"
    assert f"{2 * len(packs(world))} packs in the Archive tier, and not read" in ended.message
