"""The operator killed at each of its writes and started again: the same end, and nothing twice."""

from __future__ import annotations

import pytest

from tests.sampling import some_of
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId


class Killer:
    """Kills at the write number *at*, counted over both sides of every write."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0
        self.where = ""

    def __call__(self, what: str) -> None:
        self.count += 1
        if self.count == self.at:
            self.where = what
            raise Killed


async def moments_of_a_whole_session() -> int:
    world = World()
    world.sessions.put(session_of())
    counter = Killer(at=0)
    world.meets(counter)
    await world.run()
    return counter.count


async def run_through_kills(world: World, killer: Killer) -> None:
    world.meets(killer)
    while True:
        try:
            await world.run()
        except Killed:
            world.start()
        else:
            return


#: Asking for these twice is harmless, and what a crash before the record of the first one leads to.
REPEATABLE = ("message to vmb-jobs",)


async def test_killed_anywhere_the_session_ends_complete_and_asks_for_nothing_twice() -> None:
    moments = await moments_of_a_whole_session()
    assert moments > 80

    for at in some_of(range(1, moments + 1)):
        world = World()
        world.sessions.put(session_of())
        killer = Killer(at)
        await run_through_kills(world, killer)

        status = world.status()
        assert status.outcome == "Succeeded", killer.where
        twice = [what for what, count in world.azure.asked.items() if count > 1]
        assert all(what.startswith(REPEATABLE) for what in twice), (killer.where, twice)
        assert world.azure.sas == {}, killer.where
        assert [each.state for each in world.azure.workers.values()] == ["deallocated"]
        assert len(world.points.points[status.run_id or RunId("")].disks) == 3
        assert {len(commits) for commits in world.points.commits.values()} == {1}
        assert status.attempt == 1, killer.where
        assert world.sessions.stored[KEY].metadata.finalizers == ()


@pytest.mark.parametrize("every", [5, 7, 11])
async def test_killed_again_and_again_the_session_still_ends(every: int) -> None:
    world = World()
    world.sessions.put(session_of())
    count = 0

    def meet(_what: str) -> None:
        nonlocal count
        count += 1
        if count % every == 0:
            raise Killed

    world.meets(meet)
    for _ in range(2000):
        try:
            await world.run()
        except Killed:
            world.start()
        else:
            break

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
