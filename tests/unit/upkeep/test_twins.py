"""Two objects that stand for one repository: its upkeep is done by one of them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_upkeep import REPOSITORY, UpkeepWorld
from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.upkeep.passes import ORDER
from vmbackup_operator.upkeep.twins import Twins

FIRST, LAST = ObjectKey("team", "again"), ObjectKey("team", "zz")
ONE, OTHER = RepositoryId("0" * 31 + "1"), RepositoryId("0" * 31 + "2")


def stands_for(world: UpkeepWorld, key: ObjectKey, repository: RepositoryId) -> BackupRepository:
    """Have an object of that name that stands for the repository."""
    made = ready_repository()
    made = replace(
        made,
        metadata=replace(made.metadata, name=key.name, namespace=key.namespace, uid=key.name),
        status=replace(made.status, repository_id=repository),
    )
    world.repositories.put(made)
    return made


@pytest.fixture
async def world() -> UpkeepWorld:
    world = UpkeepWorld()
    stands_for(world, REPOSITORY, ONE)
    await world.settle()
    return world


async def test_the_first_by_name_does_it_and_the_other_says_so(world: UpkeepWorld) -> None:
    stands_for(world, FIRST, ONE)
    await world.reconciler.reconcile(FIRST)

    await world.pass_night()

    assert world.jobs.done == []
    assert world.outcomes() == dict.fromkeys(ORDER, "Left") | {"Mirror": "Succeeded"}
    assert "team/again stands for the same repository" in world.record("Prune").message


async def test_one_that_comes_behind_by_name_changes_nothing(world: UpkeepWorld) -> None:
    stands_for(world, LAST, ONE)
    await world.reconciler.reconcile(LAST)

    await world.pass_night()

    assert world.outcomes() == dict.fromkeys(ORDER, "Succeeded")


async def test_another_repository_is_nobodys_twin(world: UpkeepWorld) -> None:
    stands_for(world, FIRST, OTHER)
    await world.reconciler.reconcile(FIRST)

    await world.pass_night()

    assert world.outcomes() == dict.fromkeys(ORDER, "Succeeded")


@pytest.mark.parametrize("how", ["gone", "suspended", "not ready", "another by now"])
async def test_one_that_does_nothing_is_not_waited_for(world: UpkeepWorld, how: str) -> None:
    made = stands_for(world, FIRST, ONE)
    await world.reconciler.reconcile(FIRST)
    match how:
        case "gone":
            del world.repositories.stored[FIRST]
        case "suspended":
            upkeep = replace(made.spec.upkeep, suspend=True)
            world.repositories.put(replace(made, spec=replace(made.spec, upkeep=upkeep)))
        case "not ready":
            world.repositories.put(replace(made, status=replace(made.status, conditions=())))
        case _:
            status = replace(made.status, repository_id=OTHER)
            world.repositories.put(replace(made, status=status))

    await world.pass_night()

    assert world.outcomes() == dict.fromkeys(ORDER, "Succeeded")


def test_who_does_it_goes_by_the_policies_of_all() -> None:
    world, twins = UpkeepWorld(), Twins()
    found = [stands_for(world, key, ONE) for key in (REPOSITORY, LAST)]
    for each in (*found, stands_for(world, FIRST, OTHER)):
        twins.note(each)

    assert twins.all_of(found[0]) == twins.all_of(found[1]) == {REPOSITORY, LAST}
    twins.forget(LAST)
    assert twins.all_of(found[0]) == {REPOSITORY}
