"""Which snapshot sets that stand alone stay, how long, and what shows them."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.backups.set_worlds import (
    SETS,
    bring_back,
    points,
    policy_of_sets,
    runs,
    snapshot_session,
    snapshotting_world,
    taken,
)
from tests.unit.restores.restoring_worlds import RESTORE
from tests.worlds.samples import session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.model.retention import SessionRetention


async def test_only_what_the_retention_keeps_stays_and_objects_go_with_their_sets() -> None:
    world = snapshotting_world(retention=SessionRetention(last=2))
    await world.run(SETS)
    made = [await taken(world, each, retention=SessionRetention(last=2)) for each in range(3)]

    assert runs(world) == set(made[1:])
    assert points(world).keys() == set(made[1:])


async def test_a_retention_that_keeps_less_takes_effect_after_the_delay() -> None:
    much, little = SessionRetention(last=3), SessionRetention(last=1)
    world = snapshotting_world(retention=much)
    await world.run(SETS)
    made = [await taken(world, each, retention=much) for each in range(2)]
    made += [await taken(world, 2, retention=little)]
    before = runs(world)
    world.clock.turn(7 * 24 * 3600)
    newest = await taken(world, 3, retention=little)

    assert before == set(made)
    assert runs(world) == {newest}


async def test_what_a_policy_says_counts_where_a_session_was_made_before_the_edit() -> None:
    rule = SessionRetention(last=1)
    world = snapshotting_world(retention=rule, policy_ref=LocalReference("hourly"))
    world.policies.put(policy_of_sets(last=3))
    await world.run(SETS)
    for each in range(2):
        await taken(world, each, retention=rule, policy_ref=LocalReference("hourly"))

    assert len(runs(world)) == 3


async def test_the_newest_of_each_day_stays_where_the_retention_says_so() -> None:
    world = snapshotting_world()
    rule = SessionRetention(last=1, daily=3)
    world.sessions.put(snapshot_session(retention=rule))
    await world.run(SETS)
    made = [await taken(world, each, retention=rule) for each in range(26)]

    kept = [points(world)[each].spec.created_at for each in made if each in points(world)]
    assert len({each.date() for each in kept}) == len(kept) >= 2
    assert made[-1] in runs(world)
    assert runs(world) == points(world).keys()


async def test_sets_and_backups_of_one_vm_leave_each_other_alone() -> None:
    world = snapshotting_world(retention=SessionRetention(last=1))
    world.sessions.put(session_of())
    await world.run()
    await world.run(SETS)
    again = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(again))
    await world.run(again)
    newest = await taken(world, 1, retention=SessionRetention(last=1))

    status = world.status(again)
    assert status.full_reads == ()
    assert newest in runs(world)
    assert status.run_id in runs(world)
    assert len(runs(world)) == 2


async def test_a_set_that_is_restored_from_is_not_deleted() -> None:
    rule = SessionRetention(last=1)
    world = snapshotting_world(retention=rule)
    await world.run(SETS)
    first = world.status(SETS).run_id
    world.restores.put(bring_back(world))
    await world.run_until("Accepted", RESTORE)
    await taken(world, 1, retention=rule)
    assert first in runs(world)
    await world.run(RESTORE)
    newest = await taken(world, 2, retention=rule)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert runs(world) == {newest}


async def test_objects_that_went_with_the_cluster_come_back_with_the_next_session() -> None:
    world = snapshotting_world()
    await world.run(SETS)
    (before,) = points(world).values()
    world.point_objects.stored.clear()
    await taken(world, 1)

    back = points(world)[before.spec.run_id]
    assert replace(back.spec, packed_description="") == replace(before.spec, packed_description="")
    assert back.metadata.key == before.metadata.key
