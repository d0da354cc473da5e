"""Where an archive repository locks what counts, copies are locked, and go when they may."""

from __future__ import annotations

import pytest

from tests.unit.archives.archiving_worlds import (
    ARCHIVING,
    INTO,
    alter_repository,
    archived_packs,
    archived_points,
    archiving,
    backed_up_world,
    holders,
    prune,
)
from tests.unit.repository.opened.whole_bench import finish_all
from tests.worlds.killed_operator import run_killed_every
from tests.worlds.memory_points import ARCHIVES
from tests.worlds.memory_policies import policy
from tests.worlds.memory_world import World
from tests.worlds.samples import VM
from vmbackup_core.repository.control.commits.locking import end_of_generation
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.primitives.names import HOLDS
from vmbackup_core.stores.port import ObjectLock
from vmbackup_operator.model.backup_policy import ArchiveWanted
from vmbackup_operator.model.backup_repository import Immutability
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.model.retention import Retention, SessionRetention
from vmbackup_operator.policies.keeping import kept_until

TARGET = ObjectKey("team", "archive")
DAYS = 10
NIGHTLY = LocalReference("nightly")
DAY_S = 24 * 3600


@pytest.fixture
async def locking() -> World:
    """Return a world whose repository for archives locks what counts, without a session yet."""
    world = await backed_up_world()
    alter_repository(world, TARGET, immutability=Immutability(DAYS))
    return world


def locks(world: World) -> list[ObjectLock]:
    """Return what is locked in the archive repository, and until when; holds never are."""
    places = world.points.containers.places(ARCHIVES)
    found = (lock for store in places.both() for lock in store.locks(""))
    return [lock for lock in found if not lock.name.startswith(HOLDS)]


def packs_locked(world: World) -> list[ObjectLock]:
    return [lock for lock in locks(world) if lock.name in archived_packs(world)]


def wait_for_locks_to_end(world: World) -> None:
    ends = [lock.until for lock in locks(world) if lock.until is not None]
    world.clock.turn((max(ends) - world.clock.now()).total_seconds() + DAY_S)
    world.points.forget()


async def test_a_copy_of_ones_own_is_locked_as_if_one_came_each_day(locking: World) -> None:
    locking.sessions.put(archiving(locking, retention=SessionRetention(last=3)))
    await locking.run(ARCHIVING)

    (point,) = archived_points(locking)
    end = kept_until(SessionRetention(last=3).rule, None, point.created_at)
    assert locking.status(ARCHIVING).outcome == "Succeeded"
    assert {lock.until for lock in locks(locking)} == {end_of_generation(end, DAYS)}


async def test_a_policys_copy_is_locked_until_its_newer_copies_push_it_out(locking: World) -> None:
    monthly = Retention(last=1, monthly=12)
    archives = policy(VM, archive=ArchiveWanted(INTO, monthly, "Monthly"))
    locking.policies.put(archives)
    kept = SessionRetention.of(monthly.rule_in("Etc/UTC"))
    locking.sessions.put(archiving(locking, retention=kept, policy_ref=NIGHTLY))
    await locking.run(ARCHIVING)

    (point,) = archived_points(locking)
    end = kept_until(kept.rule, archives.spec.schedule, point.created_at, "Monthly")
    assert (end - point.created_at).days > 300
    assert {lock.until for lock in locks(locking)} == {end_of_generation(end, DAYS)}


async def test_a_policy_that_archives_no_more_locks_by_its_backups(locking: World) -> None:
    backs_up = policy(VM)
    locking.policies.put(backs_up)
    kept = SessionRetention(last=2)
    locking.sessions.put(archiving(locking, retention=kept, policy_ref=NIGHTLY))
    await locking.run(ARCHIVING)

    (point,) = archived_points(locking)
    end = kept_until(kept.rule, backs_up.spec.schedule, point.created_at)
    assert {lock.until for lock in locks(locking)} == {end_of_generation(end, DAYS)}


async def test_a_source_that_locks_has_nothing_locked_in_the_archive() -> None:
    world = await backed_up_world()
    alter_repository(world, ObjectKey("team", "repo"), immutability=Immutability(DAYS))
    world.sessions.put(archiving(world))
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert {lock.until for lock in locks(world)} == {None}


async def test_what_a_cancelled_session_has_locked_goes_when_its_locks_have_ended(
    locking: World,
) -> None:
    locking.sessions.put(archiving(locking))
    await locking.run_until("Committed", ARCHIVING)
    locking.sessions.edit_spec(ARCHIVING, cancel=True)
    await locking.run(ARCHIVING)
    prune(locking)

    assert locking.status(ARCHIVING).outcome == "Cancelled"
    assert archived_points(locking) == []
    assert holders(locking) == []
    assert all(lock.until is not None for lock in packs_locked(locking))
    assert packs_locked(locking)

    wait_for_locks_to_end(locking)
    prune(locking)
    assert archived_packs(locking) == []


async def test_a_copy_that_expires_while_it_is_locked_goes_when_its_locks_have_ended(
    locking: World,
) -> None:
    locking.sessions.put(archiving(locking))
    await locking.run(ARCHIVING)
    repository = locking.points.open(ARCHIVES)
    repository.upkeep.begin_expire([entry_of(each) for each in repository.counted()])

    assert [each.outcome for each in finish_all(repository.upkeep)] == ["stays"]
    prune(locking)
    assert packs_locked(locking)

    wait_for_locks_to_end(locking)
    assert {each.outcome for each in finish_all(locking.points.open(ARCHIVES).upkeep)} == {"done"}
    prune(locking)
    assert archived_packs(locking) == []


async def test_a_container_that_cannot_lock_fails_it_and_what_was_stored_is_garbage(
    locking: World,
) -> None:
    locking.sessions.put(archiving(locking))
    await locking.run_until("DataArchived", ARCHIVING)
    for name in (ARCHIVES, f"{ARCHIVES}-control"):
        locking.points.containers.container(name).refuse_locks()
    await locking.run(ARCHIVING)

    assert locking.status(ARCHIVING).outcome == "Failed"
    assert locking.condition("Failed", ARCHIVING).reason == "ImmutabilityNotSupported"
    assert archived_points(locking) == []
    prune(locking)
    assert archived_packs(locking) == []


@pytest.mark.parametrize("every", [8])
async def test_killed_again_and_again_all_that_counts_is_locked(locking: World, every: int) -> None:
    locking.sessions.put(archiving(locking))
    await run_killed_every(locking, ARCHIVING, every, starts=500)

    (point,) = archived_points(locking)
    needed = {disk.manifest_name for disk in point.disks} | set(archived_packs(locking))
    locked = {lock.name for lock in locks(locking) if lock.until is not None}
    assert locking.status(ARCHIVING).outcome == "Succeeded"
    assert needed <= locked
