"""A session that copies a recovery point: what its worker is given, and what comes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.unit.archives.archiving_worlds import (
    ARCHIVING,
    INTO,
    alter_repository,
    archived_packs,
    archived_points,
    archiving,
    archiving_world,
    backed_up_world,
    holders,
    prune,
)
from tests.worlds.memory_azure import AWAY, HOME
from tests.worlds.memory_policies import policy
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, session_of
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import ArchiveJob, Failed
from vmbackup_core.repository.data.footer import ARCHIVE
from vmbackup_operator.archives.table import STEPS
from vmbackup_operator.model.backup_policy import ArchivedPoints, ArchiveWanted
from vmbackup_operator.model.backup_session import ArchiveSpec
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import NOT_LOOKED_AT, Kept, RecoveryPoint
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.retention import Retention

REPOSITORY = ObjectKey("team", "repo")
ARCHIVE_REPOSITORY = ObjectKey("team", "archive")
SOME_JOB = JobId("some-job")
KEPT = Retention(last=2)


def objects(world: World) -> list[RecoveryPoint]:
    return list(world.point_objects.stored.values())


def shown(world: World, key: ObjectKey = ARCHIVING) -> RecoveryPoint:
    """Return the object that shows what the session has archived."""
    run = world.status(key).recovery_point
    (found,) = (each for each in objects(world) if each.spec.run_id == run)
    return found


async def test_the_point_counts_in_the_archive_repository_and_says_where_it_came_from() -> None:
    world = await archiving_world()
    await world.run(ARCHIVING)

    status = world.status(ARCHIVING)
    assert status.outcome == "Succeeded", status.message
    (point,) = archived_points(world)
    (source,) = world.points.points.values()
    assert point.run_id == status.run_id == status.recovery_point
    assert point.origin is not None
    assert point.origin.run_id == source.run_id
    assert point.origin.repository_id == source.repository_id
    assert (point.created_at, point.vm_description) == (source.created_at, source.vm_description)
    assert [disk.slot for disk in point.disks] == [1, 1]
    assert holders(world) == []
    assert world.undo_records.stored == {}


async def test_every_step_of_the_table_is_told_in_the_conditions() -> None:
    world = await archiving_world()
    await world.run(ARCHIVING)

    told = {each.type for each in world.conditions(ARCHIVING) if each.status == "True"}
    assert told == {step.condition for step in STEPS} | {"Complete"}


async def test_its_worker_runs_beside_the_backup_repository_and_is_deallocated_behind_it() -> None:
    world = await backed_up_world()
    for key in (REPOSITORY, ARCHIVE_REPOSITORY):
        alter_repository(world, key, region=HOME)  # the VM is in another one
    world.sessions.put(archiving(world))
    await world.run(ARCHIVING)

    resolved = world.status(ARCHIVING).resolved
    assert resolved is not None
    assert resolved.environment is not None
    assert resolved.environment.region == HOME != AWAY
    assert {each.state for each in world.azure.workers.values()} == {"deallocated"}


async def test_an_archive_repository_of_another_region_is_reached_from_beside_the_source() -> None:
    """A private endpoint leads to an account in whatever region that lies."""
    world = await backed_up_world()
    alter_repository(world, REPOSITORY, region=HOME)
    alter_repository(world, ARCHIVE_REPOSITORY, region="uksouth")
    account = world.repositories.stored[ARCHIVE_REPOSITORY].spec.storage_account_id
    world.sessions.put(archiving(world))
    await world.run(ARCHIVING)

    status = world.status(ARCHIVING)
    assert status.outcome == "Succeeded", status.message
    assert status.resolved is not None
    assert status.resolved.environment is not None
    assert status.resolved.environment.region == HOME
    assert (HOME, account.lower()) in world.regions.ways
    assert {region for region, _ in world.regions.ways} == {AWAY, HOME}


async def test_the_worker_may_read_the_one_and_create_in_the_other() -> None:
    world = await archiving_world()
    await world.run(ARCHIVING)

    ((_, _, job),) = world.archive_jobs
    assert "/backups?sp=read_named&" in job.source.container_url
    assert "/archives?sp=store&" in job.target.container_url
    assert (job.source.tier, job.target.tier) == ("Hot", "Cold")
    assert {disk.grant.purpose for disk in job.disks} == {ARCHIVE}


@pytest.mark.parametrize(
    ("tier", "days"), [("Cold", 90), ("Cool", 30), ("Hot", None)], ids=["cold", "cool", "hot"]
)
async def test_status_says_until_when_deletion_costs(tier: str, days: int | None) -> None:
    world = await backed_up_world()
    alter_repository(world, ARCHIVE_REPOSITORY, tier=tier)
    world.sessions.put(archiving(world))
    await world.run(ARCHIVING)

    archive = world.status(ARCHIVING).archive
    assert archive is not None
    assert archive.tier == tier
    assert archive.verified_bytes > 0
    if days is None:
        assert archive.charged_until is None
    else:
        assert archive.charged_until is not None
        left = archive.charged_until - world.clock.now()
        assert timedelta(days=days - 1) < left <= timedelta(days=days)


async def test_it_is_stamped_with_its_own_retention_and_policy() -> None:
    world = await archiving_world(
        retention=Retention(last=3, monthly=12), policy_ref=LocalReference("nightly")
    )
    await world.run(ARCHIVING)

    (point,) = archived_points(world)
    assert (point.retention.last, point.retention.monthly) == (3, 12)
    assert (point.policy_namespace, point.policy_name) == ("team", "nightly")


async def test_the_copy_is_shown_as_an_archive() -> None:
    world = await archiving_world()
    await world.run(ARCHIVING)

    spec = shown(world).spec
    assert (spec.type, spec.stored_in.name) == ("Archive", "archive")


async def test_the_copy_says_why_it_is_kept_and_until_when_before_any_upkeep() -> None:
    world = await archiving_world(policy_ref=LocalReference("nightly"), retention=KEPT)
    world.policies.put(policy(VM, archive=ArchiveWanted(INTO, KEPT)))
    await world.run(ARCHIVING)

    kept = shown(world).status.kept
    assert kept.because == "last 2, minSuccessful 1"
    assert kept.until is not None
    assert timedelta(days=1) < kept.until - world.clock.now() < timedelta(days=2)


@pytest.mark.parametrize("points", ["Weekly", "Monthly", "Yearly"])
async def test_one_of_some_points_says_why_and_no_end_since_none_is_known(
    points: ArchivedPoints,
) -> None:
    world = await archiving_world(policy_ref=LocalReference("nightly"), retention=KEPT)
    world.policies.put(policy(VM, archive=ArchiveWanted(INTO, KEPT, points)))
    await world.run(ARCHIVING)

    assert shown(world).status.kept == Kept("last 2, minSuccessful 1")


async def test_one_that_was_made_again_says_why_it_is_kept() -> None:
    world = await archiving_world()
    await world.run(ARCHIVING)
    del world.point_objects.stored[shown(world).metadata.key]
    again, uid = archiving(world), "00000000-0000-4000-8000-000000000001"
    world.sessions.put(replace(again, metadata=replace(again.metadata, uid=uid)))
    await world.run(ARCHIVING)

    assert shown(world).status.kept_because == "last 7, minSuccessful 1"


async def test_of_a_copy_of_an_older_point_upkeep_says_why_it_is_kept() -> None:
    """Newer ones count against it: what is said of it alone would be wrong."""
    world = await archiving_world()
    first = archiving(world)
    second, newer = ObjectKey("team", "nightly-2"), ObjectKey("team", "archive-2")
    world.clock.turn(24 * 3600)
    world.sessions.put(session_of(second))
    await world.run(second)
    run = world.status(second).recovery_point
    (backed_up,) = (each for each in objects(world) if each.spec.run_id == run)
    reference = ObjectReference(backed_up.metadata.name, "team")
    world.sessions.put(archiving(world, newer, archive=ArchiveSpec(reference)))
    await world.run(newer)
    world.sessions.put(first)
    await world.run(ARCHIVING)

    assert shown(world, newer).status.kept_because
    assert shown(world).status.kept == NOT_LOOKED_AT


async def test_the_vm_may_be_gone() -> None:
    world = await archiving_world()
    world.azure.machines.clear()
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Succeeded"


async def test_a_backup_of_the_vm_runs_beside_it() -> None:
    world = await archiving_world()
    world.azure.max_workers = 2
    await world.run_until("WorkerReady", ARCHIVING)
    backup = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(backup))
    await world.run(ARCHIVING, backup)

    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert world.status(backup).outcome == "Succeeded"


async def test_a_worker_that_was_broken_off_is_asked_again_and_stores_nothing_twice() -> None:
    world = await archiving_world()
    failures = [Failed(SOME_JOB, 1, "TransferInterrupted", "a reset", transient=True)]

    def fails_once(job: ArchiveJob) -> Failed | None:
        return replace(failures.pop(), job_id=job.job_id) if failures else None

    world.archiving = fails_once
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert world.status(ARCHIVING).attempt == 2
    assert len(archived_points(world)) == 1


async def test_a_lost_block_fails_it_and_what_was_stored_is_garbage() -> None:
    world = await archiving_world()
    world.archiving = lambda job: Failed(
        job.job_id, 1, "CorruptRepository", "block 7", transient=False
    )
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Failed"
    assert world.condition("Failed", ARCHIVING).reason == "CorruptRepository"
    assert archived_points(world) == []
    assert holders(world) == []
    prune(world)
    assert archived_packs(world) == []


async def test_cancelled_after_it_was_written_it_leaves_nothing_that_stays() -> None:
    world = await archiving_world()
    await world.run_until("DataArchived", ARCHIVING)
    assert archived_packs(world)
    world.sessions.edit_spec(ARCHIVING, cancel=True)
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Cancelled"
    assert archived_points(world) == []
    assert holders(world) == []
    prune(world)
    assert archived_packs(world) == []


async def test_two_archives_of_one_point_are_two_sets() -> None:
    world = await archiving_world()
    other = ObjectKey("team", "archive-2")
    world.sessions.put(archiving(world, other))
    await world.run(ARCHIVING, other)

    points = archived_points(world)
    chains = [disk.chain_id for point in points for disk in point.disks]
    assert len(points) == 2
    assert len(set(chains)) == len(chains)


async def test_one_that_was_made_again_finds_what_was_archived() -> None:
    world = await archiving_world()
    await world.run(ARCHIVING)
    again, uid = archiving(world), "00000000-0000-4000-8000-000000000001"
    world.sessions.put(replace(again, metadata=replace(again.metadata, uid=uid)))
    before = len(archived_packs(world))
    await world.run(ARCHIVING)

    status = world.status(ARCHIVING)
    assert status.outcome == "Succeeded"
    assert status.archive is not None
    assert len(archived_packs(world)) == before
    assert len(archived_points(world)) == 1
    assert holders(world) == []
