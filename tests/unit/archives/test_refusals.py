"""What is refused of an archive before anything is made, each by its own reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.archives.archiving_worlds import (
    ARCHIVING,
    alter_repository,
    archive_packs,
    archived_packs,
    archived_points,
    archiving,
    archiving_world,
    backed_up_world,
    holders,
)
from tests.worlds.memory_cluster import archive_repository, stalled_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import machine
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_operator.model.backup_session import ArchiveSpec
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import arm_id

SOURCE = ObjectKey("team", "repo")
TARGET = ObjectKey("team", "archive")


def made_nothing(world: World) -> bool:
    """Tell whether a refused session has left anything, or began to."""
    return not (
        world.azure.workers
        and any(each.state != "deallocated" for each in world.azure.workers.values())
    ) and (archived_packs(world), holders(world), world.undo_records.stored) == ([], [], {})


async def refused(world: World, reason: str) -> str:
    """Have the session refused for that reason, before anything is made; return what it says."""
    await world.run(ARCHIVING)
    assert world.status(ARCHIVING).outcome == "Failed"
    assert world.condition("Failed", ARCHIVING).reason == reason
    assert made_nothing(world)
    assert world.archive_jobs == []
    return world.status(ARCHIVING).message


def altered(world: World, key: ObjectKey, **status: Any) -> None:
    """Have the BackupRepository stand otherwise."""
    there = world.repositories.stored[key]
    world.repositories.put(replace(there, status=replace(there.status, **status)))


async def test_one_that_stands_for_the_source_itself() -> None:
    world = await archiving_world()
    altered(world, TARGET, repository_id=RepositoryId("0" * 32))

    await refused(world, "ArchiveIsTheSource")


@pytest.mark.parametrize("which", [SOURCE, TARGET], ids=["source", "target"])
async def test_a_repository_that_another_appliance_has_claimed(which: ObjectKey) -> None:
    world = await archiving_world()
    altered(world, which, appliance_id="fabrikam")

    await refused(world, "ClaimedByOtherAppliance")


@pytest.mark.parametrize("which", [SOURCE, TARGET], ids=["source", "target"])
async def test_a_repository_that_another_appliance_owns(which: ObjectKey) -> None:
    world = await archiving_world()
    altered(world, which, owner="fabrikam")

    await refused(world, "ReadOnly")


async def test_an_account_that_the_settings_do_not_name() -> None:
    world = await archiving_world()
    account = world.repositories.stored[TARGET].spec.storage_account_id
    theirs = account.replace("/subscriptions/", "/subscriptions/ffffffff")
    alter_repository(world, TARGET, storage_account_id=theirs)

    await refused(world, "ScopeNotAllowed")


async def test_a_repository_of_a_namespace_that_may_not_be_used() -> None:
    world = await backed_up_world()
    foreign = archive_repository(namespace="poor")
    world.repositories.put(foreign)
    world.sessions.put(archiving(world, repository_ref=ObjectReference("archive", "poor")))

    await refused(world, "ScopeNotAllowed")


async def test_a_point_that_is_not_there() -> None:
    world = await backed_up_world()
    world.sessions.put(archiving(world, archive=ArchiveSpec(ObjectReference("none"))))

    await refused(world, "RecoveryPointNotFound")


async def test_a_point_of_another_vm() -> None:
    world = await backed_up_world()
    subscription = machine().id.split("/")[2]
    other = arm_id(subscription, "prod", "Microsoft.Compute/virtualMachines", "other")
    world.sessions.put(archiving(world, ARCHIVING, other))

    await refused(world, "PointOfAnotherVirtualMachine")


async def test_a_point_that_has_expired_meanwhile() -> None:
    world = await archiving_world()
    repository = world.points.open()
    repository.upkeep.begin_expire([entry_of(each) for each in repository.counted()])

    await refused(world, "RecoveryPointExpired")


async def test_a_point_whose_packs_a_lifecycle_rule_has_archived() -> None:
    world = await archiving_world()
    archive_packs(world)

    message = await refused(world, "SourceArchived")
    assert "lifecycle rule" in message
    assert "2 packs" in message


async def test_one_that_came_too_late_is_skipped() -> None:
    world = await backed_up_world()
    late = world.clock.now() - timedelta(minutes=1)
    world.sessions.put(archiving(world, start_before=late))
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Skipped"
    assert made_nothing(world)


@pytest.mark.parametrize(
    "reason", ["NotAuthorized", "StorageAccountNotFound", "SecretNotFound", "ContainerNotFound"]
)
async def test_an_archive_repository_that_does_not_get_ready_is_waited_for_by_its_reason(
    reason: str,
) -> None:
    """Of another tenant, gone, without its key: a person mends it, and the session goes on."""
    world = await archiving_world()
    stalled = stalled_repository(reason, "somebody has to do something")
    there = world.repositories.stored[TARGET]
    conditions = stalled.status.conditions
    world.repositories.put(replace(there, status=replace(there.status, conditions=conditions)))
    for _ in range(5):
        await world.look(ARCHIVING)

    assert world.status(ARCHIVING).phase == f"Pending: {reason}"
    assert made_nothing(world)
    world.repositories.put(archive_repository())
    await world.run(ARCHIVING)
    assert world.status(ARCHIVING).outcome == "Succeeded"


@pytest.mark.parametrize("reason", ["KeyMismatch", "NewerFormat"])
async def test_one_that_nobody_can_write_to_ends_it(reason: str) -> None:
    world = await archiving_world()
    there, stalled = world.repositories.stored[TARGET], stalled_repository(reason, "no")
    conditions = stalled.status.conditions
    world.repositories.put(replace(there, status=replace(there.status, conditions=conditions)))

    await refused(world, reason)


@pytest.mark.parametrize("which", [SOURCE, TARGET], ids=["source", "target"])
@pytest.mark.parametrize("condition", ["Accepted", "WorkerReady"])
async def test_a_repository_that_was_replaced_meanwhile_ends_it(
    which: ObjectKey, condition: str
) -> None:
    world = await archiving_world()
    await world.run_until(condition, ARCHIVING)
    world.start()  # nothing of the work is in memory
    altered(world, which, repository_id=RepositoryId("f" * 32))
    await world.run(ARCHIVING, limit=800)

    assert world.status(ARCHIVING).outcome == "Failed"
    assert world.condition("Failed", ARCHIVING).reason == "RepositoryReplaced"
    assert archived_points(world) == []
