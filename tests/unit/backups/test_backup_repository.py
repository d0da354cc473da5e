"""What a session does about a repository, or a recovery point, that is not as it was."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.ids import RepositoryId


def stands_for(world: World, identity: RepositoryId | None) -> None:
    ready = ready_repository()
    world.repositories.put(replace(ready, status=replace(ready.status, repository_id=identity)))


async def test_a_repository_of_the_same_name_that_is_another_gets_no_recovery_point(
    world: World,
) -> None:
    await world.run_until("DataTransferred")
    stands_for(world, RepositoryId("f" * 32))

    await world.run()

    assert (world.status().outcome, world.points.points) == ("Failed", {})
    assert world.condition("Failed").reason == "RepositoryReplaced"


async def test_a_repository_of_the_same_name_that_is_another_gets_no_data(world: World) -> None:
    await world.run_until("ExportGranted")
    stands_for(world, RepositoryId("f" * 32))

    await world.run()

    assert (world.status().outcome, world.jobs) == ("Failed", [])
    assert world.condition("DataTransferred").reason == "RepositoryReplaced"


async def test_a_repository_that_was_made_again_is_waited_for_until_it_is_known(
    world: World,
) -> None:
    await world.run_until("DataTransferred")
    stands_for(world, None)
    for _ in range(20):
        await world.look()
        world.clock.turn(60)
    assert world.condition("Committed").reason == "RepositoryNotReady"

    stands_for(world, ready_repository().status.repository_id)
    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)


async def test_a_recovery_point_that_exists_is_adopted_however_late_its_session_comes(
    world: World,
) -> None:
    await world.run()
    run_id = world.status().run_id
    ended = world.sessions.stored.pop(KEY)
    limit = world.clock.now() - timedelta(days=1)
    world.sessions.put(session_of(uid=ended.metadata.uid, start_before=limit))
    world.jobs.clear()

    await world.run()

    assert (world.status().outcome, world.status().recovery_point) == ("Succeeded", run_id)
    assert world.jobs == []


async def test_what_began_in_time_is_not_skipped_for_what_it_waits_for(world: World) -> None:
    limit = world.clock.now() + timedelta(seconds=60)
    world.sessions.put(session_of(start_before=limit))
    world.repositories.stored.clear()
    await world.look()
    await world.look()
    world.clock.turn(600)

    world.repositories.put(ready_repository())
    await world.run()

    assert world.status().outcome == "Succeeded"
