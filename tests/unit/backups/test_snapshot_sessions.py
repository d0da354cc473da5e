"""Sessions that take snapshot sets and move no data: what they make, refuse and undo."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.sampling import some_of
from tests.unit.backups.set_worlds import (
    SETS,
    points,
    snapshot_session,
    snapshotting_world,
)
from tests.unit.restores.restoring_worlds import undo_what_is_left
from tests.worlds.killed_operator import run_killed_every, run_through_kills
from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, KEY, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.sessions.tags import open_tags


async def test_a_set_of_all_disks_is_taken_and_shown_and_nothing_else_is_made() -> None:
    world = snapshotting_world()
    await world.run(SETS)

    status = world.status(SETS)
    assert status.outcome == "Succeeded", status.message
    assert len(world.azure.snapshots) == len(status.snapshot_set) == 2
    assert world.azure.workers == {}
    assert world.points.points == {}
    assert world.undo_records.stored == {}
    (point,) = points(world).values()
    assert (point.spec.type, point.spec.run_id) == ("Snapshot", status.run_id)
    assert point.spec.repository_ref is None
    assert {each.lun for each in point.spec.disks} == {None, 0}
    assert point.spec.created_at == status.taken_at


async def test_the_phases_are_those_of_its_own_steps() -> None:
    world = snapshotting_world()
    await world.run_until("SnapshotsReady", SETS)
    assert world.status(SETS).phase == "Recording"
    await world.run(SETS)

    assert world.status(SETS).phase == "Complete"


async def test_a_set_waits_for_a_backup_of_its_vm() -> None:
    world = snapshotting_world()
    world.sessions.put(session_of())
    await world.run_until("SnapshotsReady", KEY)
    for _ in range(5):
        await world.look_again(SETS)

    assert world.condition("Accepted", SETS).reason == "VirtualMachineBusy"
    await world.run(KEY)
    await world.run(SETS)
    assert world.status(SETS).outcome == "Succeeded"


async def test_the_sweeper_knows_a_set_that_stands_alone() -> None:
    world = snapshotting_world()
    await world.run(SETS)

    facts = [
        open_tags(world.ground.ring, each.id, each.tags) for each in world.azure.snapshots.values()
    ]
    assert [(each.alone, each.repository_id) for each in facts] == [(True, None)] * 2


@pytest.mark.parametrize(
    ("namespace", "vm_id", "reason"),
    [
        ("strangers", VM, "ScopeNotAllowed"),
        ("team", VM.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION), "CrossSubscriptionRefused"),
        ("team", f"{VM}-gone", "VirtualMachineNotFound"),
    ],
)
async def test_a_vm_that_it_may_not_or_cannot_name_is_refused(
    namespace: str, vm_id: str, reason: str
) -> None:
    world, key = snapshotting_world(), ObjectKey(namespace, "refused")
    world.sessions.put(snapshot_session(key, virtual_machine_id=vm_id))
    await world.run(key)

    assert world.condition("Failed", key).reason == reason
    assert world.azure.snapshots == {}
    assert world.undo_records.stored == {}


async def test_a_cancelled_session_leaves_no_set_and_no_object() -> None:
    world = snapshotting_world()
    await world.run_until("SnapshotsReady", SETS)
    stored = world.sessions.stored[SETS]
    world.sessions.put(replace(stored, spec=replace(stored.spec, cancel=True)))
    await world.run(SETS)

    assert world.status(SETS).outcome == "Cancelled"
    assert world.azure.snapshots == {}
    assert world.point_objects.stored == {}
    assert world.undo_records.stored == {}


async def test_of_a_session_without_its_finalizer_no_unfinished_set_is_left() -> None:
    world = snapshotting_world()
    await world.run_until("SnapshotsReady", SETS)
    assert len(world.azure.snapshots) == 2
    del world.sessions.stored[SETS]
    world.sessions.gone(SETS)
    await undo_what_is_left(world)

    assert world.azure.snapshots == {}
    assert world.undo_records.stored == {}


async def test_killed_anywhere_the_set_is_taken_once() -> None:
    moments, _ = await run_through_kills(snapshotting_world(), SETS, 0)
    assert moments > 10

    for at in some_of(range(1, moments + 1)):
        world = snapshotting_world()
        _, where = await run_through_kills(world, SETS, at)
        await undo_what_is_left(world)

        status = world.status(SETS)
        assert (status.outcome, status.attempt) == ("Succeeded", 1), where
        assert len(world.azure.snapshots) == 2, where
        assert len(world.point_objects.stored) == 1, where
        assert world.undo_records.stored == {}, where
        assert [what for what, count in world.azure.asked.items() if count > 1] == [], where


async def test_killed_anywhere_while_it_is_cancelled_nothing_is_left() -> None:
    async def cancelled_world() -> World:
        world = snapshotting_world()
        await world.run_until("SnapshotsReady", SETS)
        stored = world.sessions.stored[SETS]
        world.sessions.put(replace(stored, spec=replace(stored.spec, cancel=True)))
        return world

    moments, _ = await run_through_kills(await cancelled_world(), SETS, 0)
    assert moments > 5

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, SETS, at)
        await undo_what_is_left(world)

        assert world.azure.snapshots == {}, where
        assert world.point_objects.stored == {}, where
        assert world.undo_records.stored == {}, where


async def test_killed_again_and_again_it_still_ends() -> None:
    world = snapshotting_world()
    await run_killed_every(world, SETS, 4, starts=300)

    assert world.status(SETS).outcome == "Succeeded"
    assert len(world.azure.snapshots) == 2
