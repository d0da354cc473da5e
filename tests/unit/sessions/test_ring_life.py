"""The life of the key ring: rotated, a key dropped too early or in time, appliance reinstalled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.worlds.memory_queues import MemoryQueues
from tests.worlds.memory_world import World
from tests.worlds.rings import (
    DROPPED,
    FIRST,
    ROTATED,
    altered_sets,
    pass_over_idle_workers,
    pass_over_snapshots,
    restart,
    sealing_keys,
)
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.naming import RUN_TAG, session_name_of_slot
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import SEALED_TAG

#: What runs a world up to a moment.
Until = Callable[[World], Awaitable[None]]
SLOTS = [datetime(2026, 11, day, 2, 0, tzinfo=UTC) for day in (22, 23)]


@pytest.fixture
def world() -> World:
    made = World(ring=FIRST)
    made.sessions.put(session_of(snapshots_to_keep=1))
    return made


async def back_up(world: World, name: str) -> ObjectKey:
    """Have a later session of the same VM run to its end."""
    world.clock.turn(3600)
    key = ObjectKey("team", name)
    world.sessions.put(session_of(key, snapshots_to_keep=1))
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"
    return key


async def go_on(world: World, seconds: int = 600) -> None:
    """Let operator and agents go on for a while."""
    for _ in range(seconds // 5):
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)


async def run_until_launch_is_named(world: World) -> None:
    await world.run_until("EnvironmentReady")
    while launch_key_id(world) == "":
        await world.look()
        world.clock.turn(5)


async def run_until_launched(world: World) -> None:
    """Run until the Run Command was sent, and let no agent speak."""
    await run_until_launch_is_named(world)
    while not world.azure.commands:
        await world.look()
        world.clock.turn(5)


async def run_until_job_is_given(world: World) -> None:
    await world.run_until("ExportGranted")
    while (worker := world.status().worker) is None or worker.job_sequence == 0:
        await world.look()
        world.clock.turn(5)


def launch_key_id(world: World, key: ObjectKey = KEY) -> str:
    worker = world.status(key).worker
    return "" if worker is None else worker.key_id


def deletions(world: World) -> list[str]:
    return [what for what in world.azure.order if what.startswith("delete ")]


@pytest.mark.parametrize(
    "condition", ["Accepted", "SnapshotsReady", "EnvironmentReady", "WorkerReady", "ExportGranted"]
)
async def test_a_session_goes_on_to_its_end_when_a_key_is_added(
    world: World, condition: str
) -> None:
    await world.run_until(condition)
    await world.look()

    restart(world, ROTATED)
    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert world.status().errors == ()
    assert sealing_keys(world) == ["k2"] * 3


@pytest.mark.parametrize(
    "until",
    [run_until_launch_is_named, run_until_launched, run_until_job_is_given],
    ids=["launch named", "launched", "job given"],
)
async def test_a_worker_launched_under_the_older_key_is_understood_after_a_rotation(
    world: World, until: Until
) -> None:
    await until(world)

    restart(world, ROTATED)
    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert launch_key_id(world) == "k1"
    assert len(world.agents) == 1


async def test_after_a_rotation_the_newer_key_seals_and_the_older_ones_sets_are_still_ours(
    world: World,
) -> None:
    await world.run()
    restart(world, ROTATED)

    later = await back_up(world, "later")

    assert sealing_keys(world) == ["k2"] * 3
    assert launch_key_id(world, later) == "k2"
    assert not altered_sets(world)


async def test_a_set_waits_for_its_key_and_is_neither_used_nor_deleted(world: World) -> None:
    await world.run_until("Accepted")
    await world.look()
    taken = set(world.azure.snapshots)

    restart(world, DROPPED)
    await go_on(world)

    said = world.condition("SnapshotsReady")
    assert (said.status, said.reason) == ("False", "TagsKeyUnknown")
    assert "key k1," in said.message
    assert (world.status().outcome, deletions(world)) == (None, [])
    restart(world, ROTATED)
    await world.run()
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert set(world.azure.snapshots) == taken


async def test_a_broken_set_whose_key_is_missing_is_not_deleted(world: World) -> None:
    await world.run_until("Accepted")
    await world.look()
    world.azure.broken_snapshots.add(next(iter(world.azure.snapshots.values())).id)

    restart(world, DROPPED)
    await go_on(world)

    assert world.condition("SnapshotsReady").reason == "TagsKeyUnknown"
    assert deletions(world) == []


async def test_a_cancelled_sessions_set_whose_key_is_missing_goes_once_the_key_is_back(
    world: World,
) -> None:
    await world.run_until("SnapshotsReady")
    restart(world, DROPPED)
    world.sessions.edit_spec(KEY, cancel=True)
    await go_on(world)
    said = world.condition("SnapshotsPruned")
    assert (said.reason, "key k1," in said.message) == ("TagsKeyUnknown", True)
    assert (len(world.azure.snapshots), deletions(world)) == (3, [])

    restart(world, ROTATED)
    await world.run()

    assert world.azure.snapshots == {}


async def test_while_an_older_sets_key_is_missing_nothing_is_made_and_nothing_deleted(
    world: World,
) -> None:
    await world.run()
    restart(world, DROPPED)
    made = world.azure.asked.copy()
    key = ObjectKey("team", "later")
    world.clock.turn(3600)
    world.sessions.put(session_of(key, snapshots_to_keep=1))

    for _ in range(60):
        await world.look(key)
        world.clock.turn(5)

    said = world.condition("SnapshotsReady", key)
    assert (said.status, said.reason) == ("False", "KeyRingIncomplete")
    assert world.azure.asked == made
    restart(world, ROTATED)
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"
    assert sealing_keys(world) == ["k2"] * 3


@pytest.mark.parametrize(
    ("until", "condition"),
    [(run_until_launched, "WorkerReady"), (run_until_job_is_given, "DataTransferred")],
    ids=["launched", "job given"],
)
async def test_a_launch_waits_for_its_key_and_its_worker_is_kept(
    world: World, until: Until, condition: str
) -> None:
    await until(world)

    restart(world, DROPPED)
    await go_on(world)

    said = world.condition(condition)
    assert (said.status, said.reason) == ("False", "KeyRingIncomplete")
    assert "key 'k1'" in said.message
    assert (world.status().outcome, deletions(world)) == (None, [])
    restart(world, ROTATED)
    await world.run()
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert len(world.agents) == 1


async def test_a_worker_given_up_for_want_of_its_key_is_deleted_once_the_key_is_back(
    world: World,
) -> None:
    await run_until_job_is_given(world)
    restart(world, DROPPED)

    await go_on(world, 90 * 60)

    assert world.status().attempt == 2
    assert world.status().outcome is None
    (given_up,) = world.azure.workers
    restart(world, ROTATED)
    await world.run()
    assert world.status().outcome == "Succeeded"
    assert given_up not in world.azure.workers
    assert launch_key_id(world) == "k2"


async def test_a_launch_that_was_only_named_waits_for_the_key_of_its_session(world: World) -> None:
    await run_until_launch_is_named(world)
    assert launch_key_id(world) == "k1"
    made = world.azure.asked.copy()

    restart(world, DROPPED)
    await go_on(world)

    assert world.condition("WorkerReady").reason == "KeyRingIncomplete"
    assert world.azure.asked == made
    restart(world, ROTATED)
    await world.run()
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)


async def test_access_ends_even_while_a_key_is_missing(world: World) -> None:
    await world.run_until("ExportGranted")
    assert world.azure.sas
    restart(world, DROPPED)

    world.sessions.edit_spec(KEY, cancel=True)
    await go_on(world)

    assert world.azure.sas == {}
    assert (len(world.azure.snapshots), deletions(world)) == (3, [])


async def test_a_key_that_nothing_needs_any_more_is_dropped_unnoticed(world: World) -> None:
    await world.run()
    restart(world, ROTATED)
    await back_up(world, "later")
    await pass_over_idle_workers(world)
    restart(world, DROPPED)

    last = await back_up(world, "last")

    assert (world.status(last).attempt, world.status(last).errors) == (1, ())
    assert sealing_keys(world) == ["k2"] * 3
    assert not altered_sets(world)


async def test_snapshots_that_no_session_comes_for_let_their_key_be_dropped(
    world: World,
) -> None:
    await world.run()
    restart(world, ROTATED)
    assert sealing_keys(world) == ["k1"] * 3

    await pass_over_snapshots(world)
    await pass_over_idle_workers(world)

    assert sealing_keys(world) == ["k2"] * 3
    restart(world, DROPPED)
    last = await back_up(world, "last")
    assert (world.status(last).attempt, world.status(last).errors) == (1, ())
    assert not altered_sets(world)


async def test_a_ring_of_one_key_has_no_snapshots_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(*_where: str) -> list[SnapshotSeen]:
        raise AssertionError("snapshots are listed")

    monkeypatch.setattr(world.ground.snapshots, "of_group", asked)

    assert await pass_over_snapshots(world) == 1


async def test_a_seal_that_does_not_verify_is_left_as_it_is(world: World) -> None:
    await world.run()
    spoilt = next(iter(world.azure.snapshots))
    seen = world.azure.snapshots[spoilt]
    world.azure.snapshots[spoilt] = replace(seen, tags={**seen.tags, f"{SEALED_TAG}-0": "x"})
    restart(world, ROTATED)

    await pass_over_snapshots(world)

    assert sorted(sealing_keys(world)) == ["k1", "k2", "k2"]
    assert world.azure.snapshots[spoilt].tags[f"{SEALED_TAG}-0"] == "x"


async def test_a_set_that_is_being_taken_is_left_to_its_session(world: World) -> None:
    await world.run_until("SnapshotsReady")
    restart(world, ROTATED)
    before = world.azure.asked.copy()

    assert await pass_over_snapshots(world) == 1

    assert world.azure.asked == before


def reinstalled(before: World) -> World:
    """Return *before* with an empty cluster: Azure and the repository are as they were."""
    after = World(clock=before.clock, ring=before.ring)
    after.azure, after.queues = before.azure, MemoryQueues(before.azure)
    after.points = before.points
    after.start()
    return after


async def run_slot(world: World, slot: int, uid: int) -> ObjectKey:
    """Have the policy's session of the *slot* run to its end."""
    key = ObjectKey("team", session_name_of_slot("nightly", VM, SLOTS[slot]))
    identity = f"00000000-0000-4000-8000-{uid:012d}"
    policy = LocalReference("nightly")
    world.sessions.put(
        session_of(key, uid=identity, policy_ref=policy, slot=SLOTS[slot], snapshots_to_keep=1)
    )
    await world.run(key)
    assert (world.status(key).outcome, world.status(key).attempt) == ("Succeeded", 1)
    return key


async def test_a_reinstalled_appliance_finds_its_slots_backup_and_makes_nothing_twice() -> None:
    before = World(ring=FIRST)
    key = await run_slot(before, 0, uid=1)
    made, points = before.azure.asked.copy(), dict(before.points.points)

    after = reinstalled(before)
    await run_slot(after, 0, uid=2)

    assert after.status(key).run_id == before.status(key).run_id
    assert after.points.points == points
    twice = (after.azure.asked - made).keys()
    assert not [what for what in twice if what.split(" ")[0] in {"snapshot", "worker", "region"}]


async def test_a_reinstalled_appliance_prunes_the_sets_of_before_as_its_own() -> None:
    before = World(ring=FIRST)
    key = await run_slot(before, 0, uid=1)
    made = before.azure.asked.copy()
    of_before = {each.tags[RUN_TAG] for each in before.azure.snapshots.values()}
    assert of_before == {before.status(key).run_id}

    after = reinstalled(before)
    after.clock.turn(24 * 3600)
    second = await run_slot(after, 1, uid=3)

    left = {each.tags[RUN_TAG] for each in after.azure.snapshots.values()}
    assert left == {after.status(second).run_id}
    assert not altered_sets(after)
    assert not [what for what in after.azure.asked - made if what.startswith(("region", "worker"))]
