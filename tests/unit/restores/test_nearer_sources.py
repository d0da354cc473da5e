"""What the disks are made of that a worker rewrites: what was taken nearest to the point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as seen

import pytest

from tests.unit.restores.restoring_worlds import RESTORE, backed_up_world, restore
from tests.unit.restores.rewinding_worlds import WHERE, disks_of_vm, rewound
from tests.unit.restores.rewriting_worlds import run_written
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.sessions.seen import SnapshotSeen

DAY_S = 86_400
LATER, LATEST = ObjectKey("team", "nightly-2"), ObjectKey("team", "nightly-3")


async def world_of_three_sets(lost: ObjectKey = KEY, behind_s: float = DAY_S) -> World:
    """Return a world of three daily backups, to be rewound to the one whose set is lost."""
    world = await backed_up_world()
    for key in (LATER, LATEST):
        world.clock.turn(DAY_S)
        world.sessions.put(session_of(key, snapshots_to_keep=3))
        await world.run(key)
        assert world.status(key).outcome == "Succeeded", world.status(key)
    world.clock.turn(behind_s)
    run = world.status(lost).run_id
    (point,) = (each for each in world.point_objects.stored.values() if each.spec.run_id == run)
    for each in set_of(world, lost).values():
        del world.azure.snapshots[each]
    reference = ObjectReference(point.metadata.name)
    world.restores.put(restore(world, mode="Rewind", target=WHERE, recovery_point_ref=reference))
    return world


def set_of(world: World, key: ObjectKey) -> dict[str, str]:
    """Return the snapshots of a session's set by their disks' positions."""
    return {each.disk: folded(each.snapshot_id) for each in world.status(key).snapshot_set}


def sources(world: World) -> dict[str, str]:
    return {each.disk: folded(each.source_snapshot_id) for each in rewound(world).disks}


def today(world: World) -> dict[str, str]:
    return {each.disk: folded(each.snapshot_id) for each in rewound(world).disks}


async def test_disks_are_made_of_the_set_nearest_to_the_point_and_rewritten() -> None:
    world = await world_of_three_sets()
    await run_written(world)

    assert world.restored(RESTORE).outcome == "Succeeded", world.restored(RESTORE).message
    assert sources(world) == set_of(world, LATER)
    made = {folded(each.id): folded(each.source_id) for each in world.loose.copies.values()}
    for each in rewound(world).disks:
        assert made[folded(each.disk_id)] == folded(each.source_snapshot_id)
        assert made[folded(each.snapshot_id)] == folded(each.replaced_disk_id)
    assert disks_of_vm(world) == {each.disk: each.disk_id for each in rewound(world).disks}


async def test_the_set_before_the_point_counts_too_where_it_is_nearer_than_today() -> None:
    world = await world_of_three_sets(LATEST, behind_s=2 * DAY_S)
    await world.run_until("Accepted", RESTORE)

    assert sources(world) == set_of(world, LATER)


async def test_what_is_farther_from_the_point_than_today_is_not_used() -> None:
    world = await world_of_three_sets(LATEST, behind_s=3600)
    await world.run_until("Accepted", RESTORE)

    assert rewound(world).rewritten
    assert sources(world) == today(world)


def _altered(each: SnapshotSeen) -> SnapshotSeen:
    return seen(each, tags={**each.tags, "vmbackup-sealed-0": "x" * 256})


def _not_whole(each: SnapshotSeen) -> SnapshotSeen:
    return seen(each, ready=False, failure="Azure ended it as failed")


def _larger(each: SnapshotSeen) -> SnapshotSeen:
    return seen(each, size_bytes=1 << 42)


@pytest.mark.parametrize("harm", [_altered, _not_whole, _larger])
async def test_a_set_of_which_no_disk_can_be_made_is_not_used(
    harm: Callable[[SnapshotSeen], SnapshotSeen],
) -> None:
    world = await world_of_three_sets()
    for each in set_of(world, LATER).values():
        found = world.azure.snapshots[each]
        world.azure.snapshots[each] = harm(found)
    await world.run_until("Accepted", RESTORE)

    assert sources(world) == set_of(world, LATEST)


async def test_nobody_deletes_the_source_while_the_disk_is_to_be_made() -> None:
    world = await world_of_three_sets()
    await world.run_until("Accepted", RESTORE)
    world.start()  # what it knows is in the status

    assert all(map(world.ground.book.names, sources(world).values()))


async def test_a_source_that_somebody_deletes_meanwhile_is_not_missed() -> None:
    world = await world_of_three_sets()
    await world.run_until("SnapshotsReady", RESTORE)
    del world.azure.snapshots[set_of(world, LATER)["0"]]
    await run_written(world)

    assert world.restored(RESTORE).outcome == "Succeeded", world.restored(RESTORE).message
    assert sources(world) == {"os": set_of(world, LATER)["os"], "0": today(world)["0"]}
