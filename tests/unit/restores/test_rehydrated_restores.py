"""Restores of points whose packs lie in the Archive tier: copied, waited for, the copies gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.sampling import some_of
from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancelled,
    holders,
    is_as_backed_up,
    made_disks,
    restoring_world,
    undo_what_is_left,
)
from tests.worlds.killed_operator import run_through_kills
from tests.worlds.memory_archive_tier import ArchivedStore
from tests.worlds.memory_points import CONTAINER
from tests.worlds.memory_world import World
from vmbackup_core.protocol import Failed, RestoreJob
from vmbackup_core.repository.primitives.names import RESERVED
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.stores.archive_tier import Priority
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.restore_session import RehydrationWanted, RestoreSession

HIGH = RehydrationWanted("High")
#: By so much faster than in Azure copies are made here: an hour is half a minute.
SPEED = 120.0

#: What happens to a session that waits for its packs.
Ending = Callable[[World, RestoreSession], None]


def data_of(world: World) -> ArchivedStore:
    return world.points.containers.container(CONTAINER)


def copies(world: World) -> list[str]:
    return [each.name for each in data_of(world).list(RESERVED)]


def packs(world: World) -> list[str]:
    return [each.name for each in data_of(world).list("") if is_pack(each.name)]


async def archived_world(speed: float = SPEED, **spec: Any) -> World:
    """Return a world whose only point has all of its packs in the tier, and is to be restored."""
    world = await restoring_world(**{"rehydration": HIGH, **spec})
    data_of(world).speed = speed
    for name in packs(world):
        data_of(world).archive(name)
    world.points.meets_data = True
    return world


async def waiting_world(**spec: Any) -> World:
    """Return a world whose restore waits for copies that take Azure's own hours."""
    world = await archived_world(speed=1.0, **spec)
    for _ in range(60):
        if copies(world):
            break
        await world.look_again(RESTORE)
        world.clock.turn(1)
    assert len(copies(world)) == len(packs(world))
    await world.look_again(RESTORE)
    return world


def assert_nothing_is_left(world: World) -> None:
    assert copies(world) == []
    assert made_disks(world) == []
    assert holders(world) == []
    assert world.undo_records.stored == {}


async def test_an_archived_point_is_restored_from_copies_that_are_removed() -> None:
    world = await archived_world()

    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert (status.outcome, status.attempt) == ("Succeeded", 1)
    assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True]
    assert status.rehydration is not None
    assert status.rehydration.back == status.rehydration.packs == len(packs(world))
    assert copies(world) == []
    assert all(each.archived for each in data_of(world).list("") if is_pack(each.name))


@pytest.mark.parametrize(("priority", "hours"), [("Standard", 15), ("High", 1)])
async def test_it_says_how_far_the_copies_are_and_until_when(
    priority: Priority, hours: int
) -> None:
    world = await waiting_world(rehydration=RehydrationWanted(priority))

    status, said = world.restored(RESTORE), world.condition("PacksRehydrated", RESTORE)
    found = status.rehydration
    assert found is not None
    assert (found.packs, found.back) == (len(packs(world)), 0)
    assert found.expected_by - found.requested_at == timedelta(hours=hours)
    assert (said.status, said.reason, status.phase) == (
        "False",
        "PacksArchived",
        "Rehydrating: PacksArchived",
    )
    assert f"{found.expected_by:%Y-%m-%dT%H:%MZ}" in said.message


async def test_neither_worker_nor_disk_is_there_while_it_waits_nor_does_it_stand_still() -> None:
    world = await waiting_world(rehydration=RehydrationWanted("Standard"))
    started = [each.state for each in world.azure.workers.values()]

    for _ in range(14):
        world.clock.turn(3600)
        await world.look_again(RESTORE)

    assert world.restored(RESTORE).outcome is None
    assert [each.state for each in world.azure.workers.values()] == started == ["deallocated"]
    assert (made_disks(world), world.restore_jobs) == ([], [])
    world.clock.turn(3600)
    await world.run(RESTORE)
    assert world.restored(RESTORE).outcome == "Succeeded"


async def test_only_the_disks_that_are_restored_are_copied() -> None:
    world = await archived_world(disks=("os",))
    needed = len(packs(world))

    await world.run(RESTORE)

    found = world.restored(RESTORE).rehydration
    assert found is not None
    assert 0 < found.packs < needed
    assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True]


async def test_of_a_point_that_is_online_nothing_is_copied() -> None:
    world = await restoring_world()

    await world.run(RESTORE)

    assert world.restored(RESTORE).rehydration is None
    assert "nothing" in world.condition("PacksRehydrated", RESTORE).message


def cancel(world: World, session: RestoreSession) -> None:
    world.restores.put(cancelled(session))


def delete(world: World, session: RestoreSession) -> None:
    world.restores.request_deletion(session.metadata.key)


def let_time_run_out(world: World, session: RestoreSession) -> None:
    world.clock.turn(session.spec.active_deadline_seconds)


@pytest.mark.parametrize("end", [cancel, delete, let_time_run_out])
async def test_however_it_ends_while_it_waits_no_copy_is_left(end: Ending) -> None:
    world = await waiting_world(active_deadline_seconds=1200)

    end(world, world.restores.stored[RESTORE.at])
    await world.run(RESTORE)

    assert_nothing_is_left(world)
    assert world.restore_jobs == []


@pytest.mark.parametrize("process", ["same", "another"])
async def test_stripped_of_its_finalizer_while_it_waits_no_copy_is_left(process: str) -> None:
    world = await waiting_world()
    del world.restores.stored[RESTORE.at]
    world.restores.gone(RESTORE.at)
    if process == "another":
        world.start()

    await undo_what_is_left(world)

    assert_nothing_is_left(world)


async def test_a_restore_that_fails_for_good_leaves_no_copy() -> None:
    world = await archived_world()
    world.restoring = lambda job: Failed(
        job.job_id, 1, "CorruptRepository", "lost", transient=False
    )

    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Failed"
    assert_nothing_is_left(world)


async def test_copies_that_somebody_deletes_are_made_again_by_the_next_attempt() -> None:
    world = await archived_world(retry_backoff_seconds=1)
    first = True

    def refuse_once(job: RestoreJob) -> Failed | None:
        nonlocal first
        if not first:
            return None
        first = False
        data_of(world).delete_all(copies(world))
        return Failed(job.job_id, 1, "AccessRefused", "BlobArchived", transient=True)

    world.restoring = refuse_once
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert (status.outcome, status.attempt) == ("Succeeded", 2)
    assert copies(world) == []


def has_job(world: World) -> bool:
    worker = world.restored(RESTORE).worker
    return worker is not None and worker.job_sequence > 0


def falls_silent(world: World, vm_id: str) -> None:
    world.silent_workers.add(vm_id)


def is_stopped(world: World, vm_id: str) -> None:
    worker, now = world.azure.workers[folded(vm_id)], world.clock.now()
    world.azure.workers[folded(vm_id)] = replace(worker, state="deallocated", changed_at=now)


def is_deleted(world: World, vm_id: str) -> None:
    key = folded(vm_id)
    del world.azure.workers[key]
    for command in [each for each in world.azure.commands if each[0] == key]:
        del world.azure.commands[command]


@pytest.mark.parametrize("loses", [falls_silent, is_stopped, is_deleted])
@pytest.mark.parametrize("given", [False, True], ids=["before its job", "at its job"])
async def test_a_worker_that_is_lost_costs_an_attempt_and_no_other_copies(
    loses: Callable[[World, str], None], *, given: bool
) -> None:
    world = await archived_world(retry_backoff_seconds=1)
    await world.run_until("AccessGranted", RESTORE)
    worker = world.restored(RESTORE).worker
    assert worker is not None
    if given:
        world.silent_workers.add(worker.vm_id)
        while not has_job(world):
            await world.look_again(RESTORE)
    loses(world, worker.vm_id)
    await world.run(RESTORE, limit=800)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert status.attempt <= 2
    assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True]
    assert sorted(data_of(world).copied) == sorted(packs(world))
    assert (copies(world), holders(world)) == ([], [])


async def test_killed_anywhere_the_restore_ends_complete_and_no_copy_is_left() -> None:
    world = await archived_world()
    moments, _ = await run_through_kills(world, RESTORE, 0)
    assert moments > 60 + 4 * len(packs(world))

    for at in some_of(range(1, moments + 1)):
        world = await archived_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        status = world.restored(RESTORE)
        assert (status.outcome, status.attempt) == ("Succeeded", 1), (where, status.message)
        assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True], where
        assert (copies(world), holders(world)) == ([], []), where
        assert world.undo_records.stored == {}, where


async def test_killed_anywhere_on_the_way_to_its_end_a_cancelled_one_leaves_nothing() -> None:
    async def cancelled_world() -> World:
        world = await waiting_world()
        cancel(world, world.restores.stored[RESTORE.at])
        return world

    moments, _ = await run_through_kills(await cancelled_world(), RESTORE, 0)
    assert moments > 10

    for at in some_of(range(1, moments + 1)):
        world = await cancelled_world()
        _, where = await run_through_kills(world, RESTORE, at)
        await undo_what_is_left(world)

        assert world.restored(RESTORE).outcome == "Cancelled", where
        assert_nothing_is_left(world)
