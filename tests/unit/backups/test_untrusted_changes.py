"""Changes that Azure told wrongly: of that disk they are not believed any more."""

from __future__ import annotations

import pytest

from tests.unit.backups.incremental_stories import (
    FOURTH,
    SECOND,
    THIRD,
    back_up,
    falling_back,
    kinds,
    reasons,
    told,
)
from tests.worlds.killed_operator import run_killed
from tests.worlds.memory_world import World
from tests.worlds.samples import session_of
from vmbackup_operator.model.metadata import ObjectKey


async def test_changes_that_were_wrong_are_not_believed_of_that_disk_until_a_new_chain(
    world: World,
) -> None:
    await world.run()
    world.falls_back = falling_back("DifferencesUntrue", lun=1)
    await back_up(world, SECOND)
    assert reasons(world, SECOND) == {"1": "DifferencesUntrue"}
    assert len(told(world, "DifferencesUntrue")) == 1

    world.falls_back = lambda _disk: None
    world.sessions.stored.pop(SECOND)  # it is not the object that remembers
    world.start()
    for key in (THIRD, FOURTH):
        await back_up(world, key)
        assert reasons(world, key) == {"1": "ChangeTrackingOff"}
        assert kinds(world, key) == {"os": "incremental", "0": "incremental", "1": "full"}

    await back_up(world, ObjectKey("team", "anew"), new_chain=True)
    assert set(reasons(world, ObjectKey("team", "anew")).values()) == {"NewChain"}
    await back_up(world, ObjectKey("team", "after"))
    assert reasons(world, ObjectKey("team", "after")) == {}


@pytest.mark.parametrize("at", range(1, 14))
async def test_killed_where_changes_are_found_wrong_the_next_one_knows_it(
    world: World, at: int
) -> None:
    await world.run()
    world.clock.turn(3600)
    world.falls_back = falling_back("DifferencesUntrue", lun=1)
    world.sessions.put(session_of(SECOND))
    await world.run_until("ExportGranted", SECOND)
    await run_killed(world, SECOND, at)
    world.falls_back = lambda _disk: None

    assert reasons(world, SECOND) == {"1": "DifferencesUntrue"}
    await back_up(world, THIRD)
    assert reasons(world, THIRD) == {"1": "ChangeTrackingOff"}
