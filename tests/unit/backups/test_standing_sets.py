"""Snapshot sets that no session looks after any more: judged once a day, shown while they stay."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from msgspec.structs import replace

from tests.unit.backups.set_worlds import (
    SETS,
    bring_back,
    points,
    policy_of_sets,
    runs,
    snapshotting_world,
    taken,
)
from tests.unit.restores.restoring_worlds import RESTORE
from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import session_of
from vmbackup_operator.backups.retaining.standing_sets import StandingSets
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.policies.occasions import with_retention
from vmbackup_operator.reconciling.outcome import Waiting

POLICY = ObjectKey("team", "hourly")
BY_POLICY = LocalReference(POLICY.name)
DAY = timedelta(days=1).total_seconds()


async def kept_world(number: int = 3, **retention: int) -> World:
    """Return a world whose policy has had so many sets taken, an hour apart."""
    policy = policy_of_sets(**retention)
    rule = SessionRetention.of(policy.spec.rule)
    world = snapshotting_world(policy_ref=BY_POLICY, retention=rule)
    world.policies.put(policy)
    await world.run(SETS)
    for each in range(1, number):
        await taken(world, each, policy_ref=BY_POLICY, retention=rule)
    return world


async def look_for(world: World, days: float, looks: StandingSets | None = None) -> None:
    """Let so many days pass, with a look whenever one is due."""
    looks = looks or StandingSets(world.ground, world.point_objects)
    left = days * DAY
    while left > 0:
        answer = await looks.reconcile()
        assert isinstance(answer, Waiting)
        passes = min(answer.seconds, left)
        world.clock.turn(passes)
        left -= passes
    await looks.reconcile()


def without_policy(world: World) -> None:
    del world.policies.stored[POLICY]


async def test_the_sets_of_a_policy_that_is_gone_stay_as_long_as_they_were_to() -> None:
    world = await kept_world(last=1, within_days=3)
    without_policy(world)
    newest = max(points(world).values(), key=lambda each: each.spec.created_at).spec.run_id

    await look_for(world, 2)
    assert len(runs(world)) == 3
    await look_for(world, 2)
    assert runs(world) == points(world).keys() == {newest}


async def test_what_is_kept_by_its_number_stays_and_says_so() -> None:
    world = await kept_world(last=5)
    without_policy(world)
    await look_for(world, 30)

    assert len(runs(world)) == 3
    shown = {each.status.kept for each in points(world).values()}
    assert {each.because.partition(",")[0] for each in shown} == {"last 5"}
    assert {each.until for each in shown} == {None}


async def test_a_policy_that_keeps_less_needs_no_session_for_it() -> None:
    world = await kept_world(last=3)
    stored = world.policies.stored[POLICY]
    less = policy_of_sets(last=1).spec.retention
    world.policies.put(replace(stored, spec=replace(stored.spec, retention=less, suspend=True)))
    await edit_is_seen(world)

    await look_for(world, 6.5)
    assert len(runs(world)) == 3
    await look_for(world, 2)
    assert len(runs(world)) == 1


async def edit_is_seen(world: World) -> None:
    """Have the policy's status say since when its retention stands, as its reconciler does."""
    stored = world.policies.stored[POLICY]
    status = with_retention(stored, stored.status, world.clock.now())
    world.policies.put(replace(stored, status=status))


async def test_a_set_says_why_it_is_kept_from_its_session_on() -> None:
    world = await kept_world(number=2, last=4, daily=2)

    shown = [each.status.kept.because for each in points(world).values()]
    assert all(each.startswith("last 4") for each in shown)
    assert any("daily 2" in each for each in shown)


async def test_an_object_comes_back_without_a_session() -> None:
    world = await kept_world(last=5)
    before = points(world).keys()
    world.point_objects.stored.clear()
    await look_for(world, 0.1)

    assert points(world).keys() == before


async def test_an_object_goes_whose_snapshots_somebody_has_deleted_in_azure() -> None:
    world = await kept_world(number=1, last=5)
    looks = StandingSets(world.ground, world.point_objects)
    world.azure.snapshots.clear()
    await looks.reconcile()
    assert len(points(world)) == 1
    await look_for(world, 0.1, looks)

    assert points(world) == {}


async def test_an_object_stays_while_azure_lists_nothing() -> None:
    world = await kept_world(number=1, last=5)
    world.azure.forbidden.add(SUBSCRIPTION)
    world.azure.snapshots.clear()
    await look_for(world, 3)

    assert len(points(world)) == 1


async def test_a_recovery_point_of_a_repository_is_none_of_these() -> None:
    world = World()
    world.sessions.put(session_of())
    await world.run()
    world.azure.snapshots.clear()
    await look_for(world, 3)

    assert len(points(world)) == 1


async def test_a_set_that_is_restored_from_stays_until_that_has_ended() -> None:
    world = await kept_world(number=1, last=1, within_days=1)
    world.restores.put(bring_back(world))
    await world.run_until("Accepted", RESTORE)
    without_policy(world)
    first = next(iter(runs(world)))
    await taken(world, 1, policy_ref=BY_POLICY, retention=SessionRetention(last=1))

    await look_for(world, 9)
    assert first in runs(world)
    await world.run(RESTORE)
    await look_for(world, 1)
    assert first not in runs(world)


async def killed_look(world: World, at: int) -> None:
    """Look once, with the operator killed at the write number *at*, if there are so many."""
    count = 0

    def meet(_what: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Killed

    world.meets(meet)
    world.point_objects.meets = meet
    with suppress(Killed):
        await StandingSets(world.ground, world.point_objects).reconcile()
    world.meets(lambda _what: None)
    world.point_objects.meets = lambda _what: None


async def test_killed_at_any_moment_the_next_looks_end_it() -> None:
    for at in range(1, 12):
        world = await kept_world(last=1, within_days=1)
        without_policy(world)
        world.clock.turn(2 * DAY)
        await killed_look(world, at)
        world.start()
        await look_for(world, 1)

        assert len(runs(world)) == 1, at
        assert runs(world) == points(world).keys(), at
