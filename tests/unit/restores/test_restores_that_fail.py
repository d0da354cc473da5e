"""A restore that does not succeed leaves nothing; one that did keeps what it made."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancel,
    holders,
    is_as_backed_up,
    made_disks,
    restoring_world,
    undo_what_is_left,
)
from tests.worlds.memory_world import World
from vmbackup_core.protocol import Failed, RestoreJob
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.naming import RUN_TAG

#: The steps that a user may stop a restore behind.
ON_ITS_WAY = ["Accepted", "WorkerReady", "DisksCreated", "AccessGranted", "DataRestored"]


def assert_nothing_is_left(world: World) -> None:
    assert made_disks(world) == []
    assert holders(world) == []
    assert world.undo_records.stored == {}
    assert {each.state for each in world.azure.workers.values()} <= {"deallocated"}
    assert world.azure.queues == {}


@pytest.mark.parametrize("condition", ON_ITS_WAY)
async def test_cancelled_on_its_way_it_leaves_nothing(condition: str) -> None:
    world = await restoring_world()
    await world.run_until(condition, RESTORE)
    cancel(world)
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Cancelled"
    assert_nothing_is_left(world)


@pytest.mark.parametrize("condition", ON_ITS_WAY)
async def test_deleted_on_its_way_it_leaves_nothing(condition: str) -> None:
    world = await restoring_world()
    await world.run_until(condition, RESTORE)
    world.restores.request_deletion(RESTORE.at)
    await world.run(RESTORE)

    assert RESTORE.at not in world.restores.stored
    assert_nothing_is_left(world)


@pytest.mark.parametrize("condition", ON_ITS_WAY)
@pytest.mark.parametrize("process", ["same", "another"])
async def test_one_whose_finalizer_was_stripped_leaves_nothing(
    condition: str, process: str
) -> None:
    world = await restoring_world()
    world.azure.workers.clear()  # so that it makes one of its own
    await world.run_until(condition, RESTORE)
    del world.restores.stored[RESTORE.at]
    world.restores.gone(RESTORE.at)
    if process == "another":
        world.start()

    await undo_what_is_left(world)

    assert_nothing_is_left(world)


async def test_what_was_restored_stays_when_its_session_is_deleted() -> None:
    world = await restoring_world()
    await world.run(RESTORE)
    world.restores.request_deletion(RESTORE.at)
    await world.run(RESTORE)
    await undo_what_is_left(world)

    assert RESTORE.at not in world.restores.stored
    assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True]


async def test_stripped_of_its_finalizer_once_it_has_succeeded_its_disks_stay() -> None:
    world = await restoring_world()
    await world.run_until("VirtualMachineCreated", RESTORE)
    assert world.restored(RESTORE).achieved
    del world.restores.stored[RESTORE.at]
    world.restores.gone(RESTORE.at)
    await undo_what_is_left(world)

    assert len(made_disks(world)) == 2
    assert holders(world) == []
    assert world.undo_records.stored == {}


async def test_a_worker_that_fails_for_good_fails_the_restore_and_nothing_is_left() -> None:
    world = await restoring_world()

    def fails(job: RestoreJob) -> Failed:
        return Failed(job.job_id, 0, "CorruptRepository", "a block is lost", transient=False)

    world.restoring = fails
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert (status.outcome, status.attempt) == ("Failed", 1)
    assert "a block is lost" in status.message
    assert_nothing_is_left(world)


async def test_a_disk_whose_upload_was_ended_is_made_anew_and_written_whole() -> None:
    world = await restoring_world()
    await world.run_until("AccessGranted", RESTORE)
    disk = made_disks(world)[0]
    disk.state, disk.url, disk.ends = "Unattached", None, None
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert (status.outcome, status.attempt) == ("Succeeded", 2), status.message
    assert made_disks(world)[0] is not disk
    assert [is_as_backed_up(world, each) for each in made_disks(world)] == [True, True]


async def test_a_disk_that_azure_gives_up_on_is_made_anew() -> None:
    world = await restoring_world()
    await world.run_until("WorkerReady", RESTORE)
    restored = world.restored(RESTORE).restored
    assert restored is not None
    world.azure.broken_disks.add(restored.disks[0].disk_id)
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert [error.reason for error in world.restored(RESTORE).errors] == ["DiskFailed"]
    assert [is_as_backed_up(world, each) for each in made_disks(world)] == [True, True]


async def test_what_somebody_else_made_under_a_name_is_neither_written_nor_deleted() -> None:
    world = await restoring_world()
    await world.run_until("DisksCreated", RESTORE)
    disk = made_disks(world)[0]
    disk.tags = joined_tags(disk.tags, {RUN_TAG: "f" * 32})
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Failed"
    assert made_disks(world) == [disk]
    assert disk.written == {}


async def test_a_silent_worker_is_replaced_and_the_disks_are_written() -> None:
    world = await restoring_world()
    await world.run_until("AccessGranted", RESTORE)
    worker = world.restored(RESTORE).worker
    assert worker is not None
    world.silent_workers.add(worker.vm_id)
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert (status.outcome, status.attempt) == ("Succeeded", 2), status.message
    assert [error.reason for error in status.errors] == ["WorkerLost"]
    assert [is_as_backed_up(world, each) for each in made_disks(world)] == [True, True]


async def test_a_namespace_restores_nowhere_but_where_it_may() -> None:
    world = await restoring_world()
    stored = world.restores.stored[RESTORE.at]
    target = replace(stored.spec.target, resource_group="theirs")
    world.restores.put(replace(stored, spec=replace(stored.spec, target=target)))
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "ScopeNotAllowed"
    assert not world.azure.asked
    assert_nothing_is_left(world)


async def applied_again(world: World, **spec: Any) -> None:
    """Delete the session's object without its finalizer, and make it again as GitOps does."""
    stored = world.restores.stored.pop(RESTORE.at)
    world.restores.gone(RESTORE.at)
    metadata = replace(stored.metadata, uid="another-uid", finalizers=())
    again = type(stored)(metadata, replace(stored.spec, **spec))
    world.restores.put(again)


async def test_applied_again_once_it_has_succeeded_it_undoes_and_restores_nothing() -> None:
    world = await restoring_world()
    await world.run(RESTORE)
    disks, asked = made_disks(world), dict(world.azure.asked)
    await applied_again(world)
    await world.run(RESTORE)
    await undo_what_is_left(world)

    assert world.condition("Failed", RESTORE).reason == "NameTaken"
    assert made_disks(world) == disks
    assert [is_as_backed_up(world, each) for each in disks] == [True, True]
    assert dict(world.azure.asked) == asked
    assert holders(world) == []


@pytest.mark.parametrize("condition", ["DisksCreated", "AccessGranted", "DataRestored"])
async def test_applied_again_in_the_middle_it_goes_on_with_what_is_there(condition: str) -> None:
    world = await restoring_world()
    await world.run_until(condition, RESTORE)
    await applied_again(world)
    await world.run(RESTORE)
    await undo_what_is_left(world)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert len(made_disks(world)) == 2
    assert [is_as_backed_up(world, each) for each in made_disks(world)] == [True, True]
    assert [disk.state for disk in made_disks(world)] == ["Unattached"] * 2
    assert world.undo_records.stored == {}


async def test_applied_again_in_the_middle_for_something_else_nothing_of_the_first_is_left() -> (
    None
):
    world = await restoring_world()
    world.azure.workers.clear()  # so that it makes one of its own
    await world.run_until("AccessGranted", RESTORE)
    await applied_again(world, disks=("os",))
    await world.run(RESTORE)
    await undo_what_is_left(world)

    assert world.condition("Failed", RESTORE).reason == "SessionReplaced"
    assert_nothing_is_left(world)
