"""Which snapshot sets stay: each policy's own count, and what an unfinished session still names."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, RING, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.model.session_findings import Export
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.tags import open_tags
from vmbackup_operator.wiring.tables import backup_sessions

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


class CountedSnapshots(MemorySnapshots):
    """Counts how often access was to be ended: each is a request, whether it changes anything."""

    ends = 0

    @override
    async def revoke(self, snapshot_id: ArmId) -> bool:
        self.ends += 1
        return await super().revoke(snapshot_id)


def count_ends(world: World) -> CountedSnapshots:
    counted = CountedSnapshots(world.azure, world.ring)
    world.ground = dataclasses.replace(world.ground, snapshots=counted)
    world.reconciler = SessionReconciler(world.ground, backup_sessions(world.booked))
    return counted


async def test_access_that_has_ended_is_not_ended_again_before_a_snapshot_is_deleted(
    world: World,
) -> None:
    await back_up(world, "one", "nightly", keep=1)
    second = ObjectKey("team", "two")
    world.sessions.put(
        session_of(second, policy_ref=LocalReference("nightly"), snapshots_to_keep=1)
    )
    snapshots = count_ends(world)
    await world.run_until("AccessRevoked", second)
    ended = snapshots.ends
    await world.run(second)

    assert ended > 0
    assert snapshots.ends == ended
    assert sets_of(world)["team/nightly"] == 1


async def test_access_that_somebody_left_open_is_ended_before_its_snapshot_is_deleted(
    world: World,
) -> None:
    await back_up(world, "one", "nightly", keep=1)
    for member in world.status(ObjectKey("team", "one")).snapshot_set:
        await world.ground.snapshots.grant(ArmId(member.snapshot_id), 3600)
    assert len(world.azure.sas) > 0
    await back_up(world, "two", "nightly", keep=1)

    assert sets_of(world)["team/nightly"] == 1
    assert world.azure.sas == {}


async def test_a_failed_session_deletes_its_set_without_ending_its_access_twice(
    world: World,
) -> None:
    world.sessions.put(session_of())
    snapshots = count_ends(world)
    await world.run_until("ExportGranted")
    world.sessions.edit_spec(KEY, cancel=True)
    await world.run_until("AccessRevoked")
    ended = snapshots.ends
    await world.run()

    assert world.azure.snapshots == {}
    assert ended > 0
    assert snapshots.ends == ended
