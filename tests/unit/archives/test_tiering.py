"""An archive repository of tier Archive: its packs are put there once their point counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.sampling import some_of
from tests.unit.archives.archiving_worlds import (
    ARCHIVING,
    alter_repository,
    archived_packs,
    archived_points,
    archiving,
    backed_up_world,
    holders,
    prune,
    undo_what_is_left,
)
from tests.unit.repository.opened.whole_bench import finish_all
from tests.unit.restores.restoring_worlds import (
    RESTORE,
    is_as_backed_up,
    made_disks,
    restore,
)
from tests.worlds.killed_operator import run_through_kills
from tests.worlds.memory_containers import Container
from tests.worlds.memory_points import ARCHIVES
from tests.worlds.memory_world import World
from tests.worlds.samples import session_of
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.protocol import Failed
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.primitives.names import RESERVED
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import RehydrationWanted

ARCHIVE_REPOSITORY = ObjectKey("team", "archive")
SOURCE_REPOSITORY = ObjectKey("team", "repo")
NO_RIGHT = "AuthorizationPermissionMismatch"


async def tiering_world(disks: int = 2) -> World:
    """Return a world with a session that copies a point into a repository of tier Archive."""
    world = await backed_up_world(disks)
    alter_repository(world, ARCHIVE_REPOSITORY, tier="Archive")
    world.sessions.put(archiving(world))
    return world


def archives(world: World) -> Container:
    return world.points.containers.container(ARCHIVES)


def tiered(world: World) -> dict[str, bool]:
    """Return whether each object in the archive's data place is in the tier, by its name."""
    return {each.name: each.archived for each in archives(world).list("")}


def refusing(error: Exception) -> Callable[[str], None]:
    """Return what meets every pack that is put away with *error*."""

    def meet(_what: str) -> None:
        raise error

    return meet


async def test_packs_are_in_the_tier_and_nothing_else_is() -> None:
    world = await tiering_world()
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert len(archived_packs(world)) >= 2
    assert {name for name, away in tiered(world).items() if away} == set(archived_packs(world))
    control = world.points.containers.container(f"{ARCHIVES}-control")
    assert not any(each.archived for each in control.list(""))


async def test_its_worker_puts_packs_where_it_can_read_them_back() -> None:
    world = await tiering_world()
    await world.run(ARCHIVING)

    ((_, _, job),) = world.archive_jobs
    assert job.target.tier == "Hot"


async def test_nothing_is_in_the_tier_before_the_point_counts() -> None:
    world = await tiering_world()
    await world.run_until("RecoveryPointStored", ARCHIVING)

    assert len(archived_points(world)) == 1
    assert not any(tiered(world).values())


async def test_status_says_how_many_packs_are_there_and_until_when_deletion_costs() -> None:
    world = await tiering_world()
    await world.run_until("RecoveryPointStored", ARCHIVING)
    before = world.status(ARCHIVING).archive
    await world.run(ARCHIVING)

    assert before is not None
    assert (before.tier, before.charged_until) == ("Archive", None)
    archive = world.status(ARCHIVING).archive
    assert archive is not None
    assert archive.packs == archive.tiered == len(archived_packs(world))
    assert archive.charged_until is not None
    left = archive.charged_until - world.clock.now()
    assert timedelta(days=179) < left <= timedelta(days=180)
    said = world.condition("PacksTiered", ARCHIVING)
    assert (said.status, said.message.endswith("in the Archive tier")) == ("True", True)


@pytest.mark.parametrize("tier", ["Hot", "Cool", "Cold"])
async def test_of_another_tier_packs_stay_where_they_were_put(tier: str) -> None:
    world = await backed_up_world()
    alter_repository(world, ARCHIVE_REPOSITORY, tier=tier)
    world.sessions.put(archiving(world))
    await world.run(ARCHIVING)

    assert not any(tiered(world).values())
    assert tier in world.condition("PacksTiered", ARCHIVING).message


async def test_killed_anywhere_all_packs_end_in_the_tier() -> None:
    writes = await writes_of_a_session()
    first = next(at for at, what in enumerate(writes, 1) if "is put away" in what)
    for at in some_of(range(first - 2, len(writes) + 1)):
        world = await tiering_world()
        _, where = await run_through_kills(world, ARCHIVING, at)
        await undo_what_is_left(world)

        status = world.status(ARCHIVING)
        assert (status.outcome, status.attempt) == ("Succeeded", 1), where
        assert status.archive is not None, where
        assert status.archive.packs == status.archive.tiered == len(archived_packs(world)), where
        assert {name for name, away in tiered(world).items() if away} == set(
            archived_packs(world)
        ), where
        assert holders(world) == [], where
        assert world.undo_records.stored == {}, where


async def writes_of_a_session() -> list[str]:
    """Return what a session writes that nothing befalls, in order."""
    world, writes = await tiering_world(), list[str]()
    world.meets(writes.append)
    await world.run(ARCHIVING)
    return writes


async def test_a_worker_that_fails_leaves_nothing_in_the_tier() -> None:
    world = await tiering_world()
    world.archiving = lambda job: Failed(job.job_id, 1, "AccountRefuses", "full", transient=False)
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Failed"
    assert not any(tiered(world).values())
    prune(world)
    assert archived_packs(world) == []


async def test_for_want_of_a_right_the_point_counts_and_the_condition_says_so() -> None:
    world = await tiering_world()
    archives(world).meets_tiering = refusing(PermanentError("status 403", reason=NO_RIGHT))
    await world.run(ARCHIVING)

    said = world.condition("PacksTiered", ARCHIVING)
    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert (said.status, said.reason) == ("False", "GaveUp")
    assert "status 403" in said.message
    assert len(archived_points(world)) == 1
    assert not any(tiered(world).values())


async def test_what_was_given_up_is_put_away_once_the_right_is_there() -> None:
    world = await tiering_world()
    archives(world).meets_tiering = refusing(PermanentError("status 403", reason=NO_RIGHT))
    await world.run(ARCHIVING)
    assert world.undo_records.stored

    archives(world).meets_tiering = lambda _what: None
    await undo_what_is_left(world)

    assert all(tiered(world)[name] for name in archived_packs(world))
    assert len(archived_points(world)) == 1
    assert world.undo_records.stored == {}


async def test_what_was_put_away_late_is_said_as_what_was_put_away_at_once() -> None:
    world = await tiering_world()
    archives(world).meets_tiering = refusing(PermanentError("status 403", reason=NO_RIGHT))
    await world.run(ARCHIVING)
    given_up = world.status(ARCHIVING).archive
    assert given_up is not None
    assert (given_up.tiered, given_up.charged_until) == (0, None)
    ended, verified = world.status(ARCHIVING).completion_time, given_up.verified_bytes

    archives(world).meets_tiering = lambda _what: None
    await undo_what_is_left(world)

    said, archive = world.condition("PacksTiered", ARCHIVING), world.status(ARCHIVING).archive
    assert (said.status, said.reason) == ("True", "Succeeded")
    assert said.message.endswith("in the Archive tier")
    assert archive is not None
    assert archive.packs == archive.tiered == len(archived_packs(world))
    assert archive.charged_until is not None
    left = archive.charged_until - world.clock.now()
    assert timedelta(days=179) < left <= timedelta(days=180)
    assert archive.verified_bytes == verified
    status = world.status(ARCHIVING)
    assert (status.outcome, status.completion_time) == ("Succeeded", ended)


async def test_one_that_goes_after_its_point_counts_has_its_packs_put_away() -> None:
    world = await tiering_world()
    await world.run_until("RecoveryPointStored", ARCHIVING)
    del world.sessions.stored[ARCHIVING]
    world.sessions.gone(ARCHIVING)

    await undo_what_is_left(world)

    assert len(archived_points(world)) == 1
    assert all(tiered(world)[name] for name in archived_packs(world))
    assert world.undo_records.stored == {}


async def test_throttled_it_goes_on_where_it_was() -> None:
    world = await tiering_world()
    met = list[str]()

    def meet(what: str) -> None:
        met.append(what)
        if len(met) == 1:
            raise TransientError("status 503", retry_after_s=1)

    archives(world).meets_tiering = meet
    with pytest.raises(TransientError):
        await world.run(ARCHIVING)
    assert world.condition("PacksTiered", ARCHIVING).status == "Unknown"
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Succeeded"
    assert len(met) > len(archived_packs(world))
    assert all(tiered(world)[name] for name in archived_packs(world))


async def test_cancelled_before_its_point_counts_nothing_is_put_away() -> None:
    world = await tiering_world()
    await world.run_until("DataArchived", ARCHIVING)
    world.sessions.edit_spec(ARCHIVING, cancel=True)
    await world.run(ARCHIVING)

    assert world.status(ARCHIVING).outcome == "Cancelled"
    assert not any(tiered(world).values())


async def test_expired_its_packs_are_deleted_from_the_tier() -> None:
    world = await tiering_world()
    await world.run(ARCHIVING)
    archive = world.points.open(ARCHIVES)
    archive.upkeep.begin_expire([entry_of(each) for each in archive.counted()])
    finish_all(archive.upkeep)

    prune(world)

    assert archived_packs(world) == []
    assert archived_points(world) == []


async def test_what_the_operator_put_away_a_restore_has_copied_and_brings_back() -> None:
    world = await tiering_world()
    await world.run(ARCHIVING)
    run = world.status(ARCHIVING).recovery_point
    (point,) = (each for each in world.point_objects.stored.values() if each.spec.run_id == run)
    named = ObjectReference(point.metadata.name)
    archives(world).speed = 120.0  # an hour is half a minute
    wanted = RehydrationWanted("High")
    world.restores.put(restore(world, recovery_point_ref=named, rehydration=wanted))
    await world.run(RESTORE)

    status = world.restored(RESTORE)
    assert (status.outcome, status.attempt) == ("Succeeded", 1), status.message
    assert status.rehydration is not None
    assert status.rehydration.back == status.rehydration.packs == len(archived_packs(world))
    assert [is_as_backed_up(world, disk) for disk in made_disks(world)] == [True, True]
    assert [each.name for each in archives(world).list(RESERVED)] == []
    assert all(tiered(world)[name] for name in archived_packs(world))


async def test_nothing_is_backed_up_into_it() -> None:
    world = await backed_up_world()
    alter_repository(world, SOURCE_REPOSITORY, tier="Archive")
    key = ObjectKey("team", "another")
    world.sessions.put(session_of(key))
    await world.run(key)

    assert world.status(key).outcome == "Failed"
    assert world.condition("Failed", key).reason == "ArchivesAlone"
    assert "holds archives alone" in world.status(key).message


async def test_nothing_is_archived_from_it() -> None:
    world = await backed_up_world()
    alter_repository(world, SOURCE_REPOSITORY, tier="Archive")
    world.sessions.put(archiving(world))
    await world.run(ARCHIVING)

    assert world.condition("Failed", ARCHIVING).reason == "ArchivesAlone"
    assert world.archive_jobs == []
