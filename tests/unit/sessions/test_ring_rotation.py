"""A rotation of the key ring: what an older key sealed is sealed anew, and sets stay sets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.worlds.memory_world import Killed, World
from tests.worlds.rings import (
    DROPPED,
    FIRST,
    ROTATED,
    altered_sets,
    pass_over_idle_workers,
    restart,
    sealing_keys,
)
from tests.worlds.samples import KEY, session_of
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import RUN_TAG, ArmId
from vmbackup_operator.sessions.tags import open_tags


@pytest.fixture
def world() -> World:
    made = World(ring=FIRST)
    made.sessions.put(session_of(snapshots_to_keep=1))
    return made


def keeps_two(world: World) -> None:
    """Have the first session keep its set and one more."""
    world.sessions.stored[KEY] = session_of(snapshots_to_keep=2)


async def back_up_keeping_two(world: World, name: str) -> None:
    world.clock.turn(3600)
    key = ObjectKey("team", name)
    world.sessions.put(session_of(key, snapshots_to_keep=2))
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"


async def test_a_set_that_is_kept_is_sealed_by_the_newest_key_and_verifies(world: World) -> None:
    keeps_two(world)
    await world.run()
    kept = {each.id: each for each in world.azure.snapshots.values()}
    restart(world, ROTATED)

    await back_up_keeping_two(world, "later")

    assert sealing_keys(world) == ["k2"] * 6
    for identity, before in kept.items():
        after = world.azure.snapshots[identity.lower()]
        assert open_tags(world.ring, identity, after.tags) == open_tags(
            FIRST, identity, before.tags
        )
        assert after.tags[RUN_TAG] == before.tags[RUN_TAG]
    await pass_over_idle_workers(world)
    restart(world, DROPPED)
    await back_up_keeping_two(world, "last")
    assert not altered_sets(world)


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_kill_while_a_set_is_sealed_anew_leaves_it_one_set(
    world: World, number: int
) -> None:
    keeps_two(world)
    await world.run()
    restart(world, ROTATED)
    sealed: list[str] = []

    def kill(what: str) -> None:
        if what.startswith("after seal "):
            sealed.append(what)
            if len(sealed) == number:
                raise Killed

    world.meets(kill)
    with pytest.raises(Killed):
        await back_up_keeping_two(world, "later")
    world.meets(lambda _: None)
    assert sorted(sealing_keys(world)) == ["k1"] * (3 - number) + ["k2"] * (3 + number)

    restart(world, ROTATED)
    await world.run(ObjectKey("team", "later"))

    assert sealing_keys(world) == ["k2"] * 6
    assert not altered_sets(world)


async def test_a_seal_that_azure_refuses_costs_no_session_anything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_snapshot: ArmId, _tags: Mapping[str, str]) -> bool:
        raise TransientError("sealing: 503")

    keeps_two(world)
    await world.run()
    restart(world, ROTATED)
    seal = world.ground.snapshots.seal
    monkeypatch.setattr(world.ground.snapshots, "seal", refused)

    await back_up_keeping_two(world, "later")

    assert sorted(sealing_keys(world)) == ["k1"] * 3 + ["k2"] * 3
    monkeypatch.setattr(world.ground.snapshots, "seal", seal)
    await back_up_keeping_two(world, "latest")
    assert sealing_keys(world) == ["k2"] * 6


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_set_whose_members_were_asked_for_before_and_after_a_rotation_is_one_set(
    world: World, number: int
) -> None:
    def kill(what: str) -> None:
        # Nothing is asked for any more once so many were.
        if " snapshot " in what and len(world.azure.snapshots) >= number:
            raise Killed

    world.meets(kill)
    with pytest.raises(Killed):
        await world.run_until("SnapshotsReady")
    world.meets(lambda _: None)

    restart(world, ROTATED)
    await world.run_until("SnapshotsReady")
    assert sorted(sealing_keys(world)) == ["k1"] * number + ["k2"] * (3 - number)
    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert not altered_sets(world)
    await back_up_keeping_two(world, "later")
    assert set(sealing_keys(world)) == {"k2"}
