"""What befalls an archive session on its way: an account that is full, an expired point, kills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.archives.archiving_worlds import (
    ARCHIVING,
    archive_packs,
    archived_packs,
    archived_points,
    archiving_world,
    holders,
    prune,
    undo_what_is_left,
)
from tests.unit.repository.opened.whole_bench import finish_all
from tests.worlds.memory_points import ARCHIVES, CONTAINER
from tests.worlds.memory_world import World
from vmbackup_core.ids import RunId
from vmbackup_core.protocol import Failed
from vmbackup_core.repository.control.retention.expire_plan import entry_of

IS_FULL = "storing p/1: status 403 InsufficientAccountPermissions: the account itself refuses"
STEPS_BEFORE_THE_END = ["WorkerReady", "DataArchived", "Committed"]


def fill(world: World, *, full: bool) -> None:
    """Have the archive's account take nothing more, or take things again."""
    for name in (ARCHIVES, f"{ARCHIVES}-control"):
        world.points.containers.container(name).full = full


async def look_often(world: World, times: int = 12) -> None:
    for _ in range(times):
        await world.look(ARCHIVING)
        world.clock.turn(31)


async def test_a_worker_that_meets_a_full_account_fails_it_by_that_reason() -> None:
    world = await archiving_world()
    world.archiving = lambda job: Failed(job.job_id, 1, "AccountRefuses", IS_FULL, transient=False)
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Failed"
    assert world.condition("Failed", ARCHIVING).reason == "AccountRefuses"
    assert "the account itself refuses" in world.status(ARCHIVING).message
    assert holders(world) == []
    prune(world)
    assert archived_packs(world) == []


async def test_packs_that_are_archived_beneath_the_worker_end_it_by_that_reason() -> None:
    world = await archiving_world()
    await world.run_until("WorkerReady", ARCHIVING)
    archive_packs(world)
    world.archiving = lambda job: Failed(
        job.job_id, 1, "CorruptRepository", "reading c/p/1: BlobArchived", transient=False
    )
    await world.run(ARCHIVING)

    status = world.status(ARCHIVING)
    assert (status.outcome, status.attempt) == ("Failed", 1)
    assert world.condition("Failed", ARCHIVING).reason == "SourceArchived"
    assert holders(world) == []
    prune(world)
    assert archived_packs(world) == []


async def test_what_a_worker_finds_damaged_is_damaged_where_no_pack_is_archived() -> None:
    world = await archiving_world()
    world.archiving = lambda job: Failed(
        job.job_id, 1, "CorruptRepository", "c/p/1 is lost", transient=False
    )
    await world.run(ARCHIVING)

    assert world.condition("Failed", ARCHIVING).reason == "CorruptRepository"


@pytest.mark.parametrize("before", ["DataArchived", "Committed"])
async def test_a_full_account_that_the_operator_meets_is_waited_for_and_said(before: str) -> None:
    world = await archiving_world()
    await world.run_until(before, ARCHIVING)
    fill(world, full=True)
    await look_often(world)

    assert world.status(ARCHIVING).outcome is None
    assert str(world.status(ARCHIVING).phase).endswith("AccountRefuses")
    assert archived_points(world) == []

    fill(world, full=False)
    await world.run(ARCHIVING)
    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert len(archived_points(world)) == 1


async def test_what_a_full_account_has_of_a_failed_session_is_garbage_once_there_is_room() -> None:
    world = await archiving_world()
    await world.run_until("DataArchived", ARCHIVING)
    fill(world, full=True)
    world.sessions.edit_spec(ARCHIVING, cancel=True)
    await look_often(world)
    assert world.status(ARCHIVING).outcome is None

    fill(world, full=False)
    await world.run(ARCHIVING)
    prune(world)

    assert world.status(ARCHIVING).outcome == "Cancelled"
    assert holders(world) == []
    assert archived_packs(world) == []


def expire_the_source(world: World) -> None:
    """Have the point that is archived stop to count: what it needs is held, and stays."""
    source = world.points.open()
    source.upkeep.begin_expire([entry_of(each) for each in source.counted()])
    assert all("is held" in each.why for each in finish_all(source.upkeep))


@pytest.mark.parametrize("condition", ["Accepted", *STEPS_BEFORE_THE_END])
async def test_a_point_that_expires_while_it_is_archived_is_archived_all_the_same(
    condition: str,
) -> None:
    world = await archiving_world()
    await world.run_until(condition, ARCHIVING)
    expire_the_source(world)
    await world.run(ARCHIVING)

    status = world.status(ARCHIVING)
    assert status.outcome == "Succeeded", status.message
    assert [each.run_id for each in archived_points(world)] == [status.recovery_point]
    assert holders(world) == []
    left = finish_all(world.points.open().upkeep)
    assert not any("is held" in each.why for each in left)


@pytest.mark.parametrize("condition", ["Accepted", *STEPS_BEFORE_THE_END])
async def test_one_that_expired_and_is_looked_for_anew_ends_it_and_leaves_nothing(
    condition: str,
) -> None:
    """Where another process, or attempt, goes on, the point has to count."""
    world = await archiving_world()
    await world.run_until(condition, ARCHIVING)
    expire_the_source(world)
    world.start()
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Failed"
    assert world.condition("Failed", ARCHIVING).reason == "RecoveryPointExpired"
    assert archived_points(world) == []
    assert holders(world) == []
    prune(world)
    assert archived_packs(world) == []


@pytest.mark.parametrize("condition", ["EnvironmentReady", *STEPS_BEFORE_THE_END])
async def test_a_worker_that_is_stopped_at_any_step_costs_an_attempt_at_most(
    condition: str,
) -> None:
    world = await archiving_world()
    await world.run_until(condition, ARCHIVING)
    for vm_id, worker in world.azure.workers.items():
        stopped = replace(worker, state="deallocated", changed_at=world.clock.now())
        world.azure.workers[vm_id] = stopped
    await world.run(ARCHIVING, limit=800)

    status = world.status(ARCHIVING)
    assert status.outcome == "Succeeded", status.message
    assert status.attempt <= 2
    assert [each.run_id for each in archived_points(world)] == [status.recovery_point]
    assert holders(world) == []
    assert {each.state for each in world.azure.workers.values()} <= {"deallocated"}


async def test_the_points_of_other_repositories_are_not_touched_by_a_full_archive() -> None:
    world = await archiving_world()
    before: set[RunId] = set(world.points.points)
    fill(world, full=True)
    await look_often(world)
    world.sessions.edit_spec(ARCHIVING, cancel=True)
    await look_often(world, times=40)
    await undo_what_is_left(world)

    assert set(world.points.points) == before
    assert not world.points.containers.container(CONTAINER).full
    assert holders(world) == []
