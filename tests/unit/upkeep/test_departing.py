"""A BackupRepository that goes takes its RecoveryPoint objects with it, and nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.unit.upkeep.test_mirroring import mirror, point, shown
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_upkeep import UpkeepWorld
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.upkeep.departing import REMOVED_AT_ONCE, DepartedRepositories


async def put(world: UpkeepWorld, *numbers: int) -> None:
    for number in numbers:
        await world.point_objects.ensure(mirror(world, point(world, number)))


def departed(world: UpkeepWorld) -> DepartedRepositories:
    return DepartedRepositories(world.repositories, world.point_objects)


async def gone(world: UpkeepWorld) -> ObjectKey:
    """Delete the repository, and return its key."""
    key = world.repository.metadata.key
    await world.repositories.delete(world.repository)
    return key


async def test_its_objects_go_in_pieces(world: UpkeepWorld) -> None:
    await put(world, *range(REMOVED_AT_ONCE + 1))
    key, looks = await gone(world), departed(world)

    first = await looks.reconcile(key)
    left = len(shown(world))
    second = await looks.reconcile(key)

    assert isinstance(first, Waiting)
    assert first.seconds == 0
    assert left == 1
    assert isinstance(second, Done)
    assert shown(world) == set()


async def test_those_of_another_repository_and_of_another_appliance_stay(
    world: UpkeepWorld,
) -> None:
    ours, theirs, elses = (mirror(world, point(world, number)) for number in range(3))
    beside = replace(theirs.spec.stored_in, name="beside")
    theirs = replace(theirs, spec=replace(theirs.spec, repository_ref=beside))
    elses = replace(elses, metadata=replace(elses.metadata, labels={}))
    for each in (ours, theirs, elses):
        await world.point_objects.ensure(each)

    await departed(world).reconcile(await gone(world))

    assert shown(world) == {theirs.spec.run_id, elses.spec.run_id}


async def test_those_of_a_repository_that_is_there_stay(world: UpkeepWorld) -> None:
    await put(world, 1)

    await departed(world).reconcile(world.repository.metadata.key)

    assert len(shown(world)) == 1


async def test_those_of_a_repository_that_cannot_be_looked_for_stay(
    world: UpkeepWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(world, 1)

    async def fail(_key: ObjectKey) -> None:
        raise TransientError("no answer")

    monkeypatch.setattr(world.repositories, "find", fail)
    with pytest.raises(TransientError):
        await departed(world).reconcile(world.repository.metadata.key)

    assert len(shown(world)) == 1


async def test_another_object_for_the_same_repository_shows_its_points_again(
    world: UpkeepWorld,
) -> None:
    """Nothing was deleted but what shows them."""
    world.mirror.points = [point(world, 1), point(world, 2)]
    await world.pass_night()
    key = await gone(world)
    await departed(world).reconcile(key)
    assert shown(world) == set()

    world.repositories.put(ready_repository())
    await world.settle()
    await world.pass_night()

    assert shown(world) == {each.run_id for each in world.mirror.points}
