"""Who may have what read back, and what of a repository that is not ready or not ours."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.unit.verifications.reading_worlds import READING, holders, verification
from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_cluster import ready_repository, stalled_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, VM, session_of
from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import ArmId, arm_id

THEIRS = ObjectKey("poor", "verify-1")


async def test_a_namespace_may_read_back_no_repository_that_it_may_not_use(world: World) -> None:
    theirs = arm_id(SUBSCRIPTION, "theirs", "Microsoft.Compute/virtualMachines", "db")
    world.sessions.put(verification(THEIRS, theirs))
    await world.run(THEIRS)

    assert world.status(THEIRS).outcome == "Failed"
    assert world.condition("Accepted", THEIRS).reason == "ScopeNotAllowed"
    assert "may not use repository team/repo" in world.status(THEIRS).message


async def test_nor_what_is_stored_of_a_vm_that_it_may_not_back_up(world: World) -> None:
    world.sessions.put(verification(THEIRS, VM))
    await world.run(THEIRS)

    assert world.condition("Accepted", THEIRS).reason == "ScopeNotAllowed"
    assert "may not back up" in world.status(THEIRS).message


async def test_who_keeps_the_repository_reads_back_every_vm_of_it(world: World) -> None:
    elsewhere = arm_id(SUBSCRIPTION, "gone", "Microsoft.Compute/virtualMachines", "db")
    foreign = elsewhere.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION)
    world.sessions.put(verification(ObjectKey("team", "verify-2"), ArmId(foreign)))
    await world.run(ObjectKey("team", "verify-2"))

    assert world.status(ObjectKey("team", "verify-2")).outcome == "Succeeded"


async def test_another_appliances_repository_is_read_back_by_its_owner(world: World) -> None:
    ready = ready_repository()
    world.repositories.put(replace(ready, status=replace(ready.status, owner="fabrikam")))
    await world.run(READING)

    assert world.status(READING).outcome == "Failed"
    assert world.condition("Accepted", READING).reason == "ReadOnly"
    assert holders(world) == []


async def test_one_that_is_not_ready_is_waited_for(world: World) -> None:
    world.repositories.put(stalled_repository("SecretNotFound", "there is no Secret"))
    for _ in range(5):
        await world.look(READING)

    assert world.status(READING).phase == "Pending: SecretNotFound"
    world.repositories.put(ready_repository())
    await world.run(READING)
    assert world.status(READING).outcome == "Succeeded"


async def test_a_repository_that_is_not_there_is_waited_for(world: World) -> None:
    other = ObjectKey("team", "verify-2")
    asked = verification(other)
    spec = replace(asked.spec, repository_ref=ObjectReference("nowhere"))
    world.sessions.put(replace(asked, spec=spec))
    for _ in range(3):
        await world.look(other)

    assert world.condition("Accepted", other).reason == "RepositoryNotFound"


@pytest.mark.parametrize("condition", ["Accepted", "WorkerReady"])
async def test_one_that_was_replaced_is_not_read(world: World, condition: str) -> None:
    await world.run_until(condition, READING)
    ready = ready_repository()
    other = replace(ready.status, repository_id=RepositoryId("f" * 32))
    world.repositories.put(replace(ready, status=other))
    await world.run(READING, limit=800)

    assert world.status(READING).outcome == "Failed"
    assert world.condition("Failed", READING).reason == "RepositoryReplaced"


async def test_a_backup_of_the_vm_runs_beside_it(world: World) -> None:
    world.azure.max_workers = 2
    await world.run_until("WorkerReady", READING)
    backup = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(backup))
    await world.run(READING, backup)

    assert world.status(READING).outcome == "Succeeded"
    assert world.status(backup).outcome == "Succeeded"
    assert holders(world) == []


async def test_one_that_came_too_late_is_skipped(world: World) -> None:
    late = ObjectKey("team", "verify-2")
    world.sessions.put(verification(late, start_before=world.clock.now() - timedelta(minutes=1)))
    await world.run(late)

    assert world.status(late).outcome == "Skipped"
    assert holders(world) == []
