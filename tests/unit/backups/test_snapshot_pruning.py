"""Which snapshot sets stay: each policy's own count, and what an unfinished session still names."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, RING, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.model.session_findings import Export
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.tags import open_tags

OTHER = ArmId(VM.replace("web-01", "db-01"))


@pytest.fixture
def world() -> World:
    return World()


async def back_up(world: World, name: str, policy: str, keep: int, namespace: str = "team") -> None:
    world.clock.turn(3600)
    key = ObjectKey(namespace, name)
    world.sessions.put(
        session_of(key, policy_ref=LocalReference(policy), snapshots_to_keep=keep)
        if policy
        else session_of(key, snapshots_to_keep=keep)
    )
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"


def sets_of(world: World) -> Counter[str]:
    """Return how many sets each policy has, as their sealed tags say."""
    facts = [open_tags(RING, each.id, each.tags) for each in world.azure.snapshots.values()]
    return Counter({each.run_id: each.policy for each in facts}.values())


async def test_one_policys_count_does_not_prune_anothers_sets(world: World) -> None:
    await back_up(world, "weekly-1", "weekly", keep=2)
    await back_up(world, "users", "", keep=1)
    for number in range(4):
        await back_up(world, f"hourly-{number}", "hourly", keep=1)
    await back_up(world, "weekly-2", "weekly", keep=2)
    await back_up(world, "weekly-3", "weekly", keep=2)

    assert sets_of(world) == {"team/weekly": 2, "team/hourly": 1, "team/": 1}


async def test_what_an_unfinished_session_names_is_not_touched(world: World) -> None:
    await back_up(world, "one", "nightly", keep=1)
    first = world.status(ObjectKey("team", "one"))
    other = session_of(KEY, OTHER, policy_ref=LocalReference("nightly"))
    named = [Export(member.snapshot_id.upper()) for member in first.snapshot_set[:1]]
    world.sessions.put(replace(other, status=replace(other.status, exports=tuple(named))))
    await back_up(world, "two", "nightly", keep=1)

    assert sets_of(world)["team/nightly"] == 2
    world.sessions.request_deletion(KEY)
    await back_up(world, "three", "nightly", keep=1)
    assert sets_of(world)["team/nightly"] == 1
