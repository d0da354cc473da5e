"""Where a repository locks what counts, a session's point is locked when it is there."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_points import CONTAINER
from tests.worlds.memory_policies import policy
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_core.repository.control.commits.locking import end_of_generation
from vmbackup_core.repository.primitives.names import HOLDS
from vmbackup_core.stores.port import ObjectLock
from vmbackup_operator.model.backup_repository import Immutability
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.policies.keeping import kept_until

DAYS = 10


def locks(world: World) -> list[ObjectLock]:
    places = world.points.containers.places(CONTAINER)
    found = (lock for store in places.both() for lock in store.locks(""))
    return [lock for lock in found if not lock.name.startswith(HOLDS)]


@pytest.fixture
def locking(world: World) -> World:
    repository = ready_repository()
    spec = replace(repository.spec, immutability=Immutability(DAYS))
    world.repositories.put(replace(world.repositories.stored[repository.metadata.key], spec=spec))
    return world


def taken_at(world: World) -> datetime:
    moments = [each.taken_at for each in world.status().snapshot_set]
    return max(moment for moment in moments if moment is not None)


async def test_everything_is_locked_to_the_end_of_the_generation(locking: World) -> None:
    await locking.run()

    session = locking.sessions.stored[KEY]
    end = kept_until(session.spec.retention.rule, None, taken_at(locking))
    assert locking.status().outcome == "Succeeded"
    assert {lock.until for lock in locks(locking)} == {end_of_generation(end, DAYS)}


async def test_the_policys_schedule_says_when_newer_points_come(locking: World) -> None:
    weekly = policy(VM, cron="0 3 * * 6")
    locking.policies.put(weekly)
    session = session_of(policy_ref=LocalReference(weekly.metadata.name))
    locking.sessions.put(session)

    await locking.run()

    end = kept_until(session.spec.retention.rule, weekly.spec.schedule, taken_at(locking))
    assert end > taken_at(locking) + timedelta(days=7 * (session.spec.retention.last - 1))
    assert {lock.until for lock in locks(locking)} == {end_of_generation(end, DAYS)}


async def test_a_repository_that_locks_nothing_asks_for_no_lock(world: World) -> None:
    await world.run()

    assert {lock.until for lock in locks(world)} == {None}


async def test_what_cannot_be_locked_is_not_committed_and_says_what_to_do(locking: World) -> None:
    await locking.run_until("DataTransferred")
    locking.points.control.refuse_locks()
    locking.points.containers.container(CONTAINER).refuse_locks()

    await locking.run()

    assert locking.status().outcome == "Failed"
    assert locking.condition("Failed").reason == "ImmutabilityNotSupported"
    assert locking.points.points == {}
