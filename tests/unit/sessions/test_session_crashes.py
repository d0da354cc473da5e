"""The operator killed at each of its writes and started again: the same end, and nothing twice."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId

#: Asking for these twice is harmless, and what a crash before the record of the first one leads to.
REPEATABLE = ("message to vmb-jobs",)


def began_world() -> World:
    world = World()
    world.sessions.put(session_of())
    return world


async def test_killed_anywhere_the_session_ends_complete_and_asks_for_nothing_twice() -> None:
    moments, _ = await run_through_kills(began_world(), KEY, 0)
    assert moments > 80

    for at in some_of(range(1, moments + 1)):
        world = began_world()
        _, where = await run_through_kills(world, KEY, at)

        status = world.status()
        assert status.outcome == "Succeeded", where
        twice = [what for what, count in world.azure.asked.items() if count > 1]
        assert all(what.startswith(REPEATABLE) for what in twice), (where, twice)
        assert world.azure.sas == {}, where
        assert [each.state for each in world.azure.workers.values()] == ["deallocated"]
        assert len(world.points.points[status.run_id or RunId("")].disks) == 3
        assert {len(commits) for commits in world.points.commits.values()} == {1}
        assert status.attempt == 1, where
        assert world.sessions.stored[KEY].metadata.finalizers == ()


@pytest.mark.parametrize("every", [5, 7, 11])
async def test_killed_again_and_again_the_session_still_ends(every: int) -> None:
    world = began_world()

    await run_killed_every(world, KEY, every, starts=2000)

    assert world.status().outcome == "Succeeded"
    assert world.azure.sas == {}


async def test_a_last_step_is_not_given_up_for_the_time_in_which_no_operator_ran(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("RecoveryPointStored")
    await world.look()
    assert world.condition("AccessRevoked").status == "False"
    world.clock.turn(3600)
    world.start()
    slow = dict.fromkeys(world.azure.snapshots, 2)
    revoke = world.ground.snapshots.revoke

    async def slowly(snapshot: ArmId) -> bool:
        slow[snapshot.lower()] -= 1
        return slow[snapshot.lower()] <= 0 and await revoke(snapshot)

    monkeypatch.setattr(world.ground.snapshots, "revoke", slowly)

    await world.run()

    assert world.condition("AccessRevoked").status == "True"
