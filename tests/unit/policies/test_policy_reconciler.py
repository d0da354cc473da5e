"""What a policy does when it is looked at: sessions, conditions, history."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_cluster import ready_repository, stalled_repository
from tests.worlds.memory_policies import KEY, PolicyWorld, policy
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, VM
from vmbackup_core.errors import PermanentError, RefusedForNow, TransientError
from vmbackup_operator.model.backup_policy import Schedule
from vmbackup_operator.naming import ArmId, session_name_of_slot
from vmbackup_operator.reconciling.outcome import Done

DB = ArmId(VM.replace("web-01", "db-01"))
FOREIGN = ArmId(VM.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION))
OUTSIDE = ArmId(VM.replace(SUBSCRIPTION, "33333333-3333-4333-8333-333333333333"))
SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


@pytest.fixture
def world() -> PolicyWorld:
    made = PolicyWorld()
    made.put(policy(VM))
    return made


async def test_a_due_slot_makes_one_session_for_each_vm(world: PolicyWorld) -> None:
    world.put(policy(VM, DB))

    await world.look()

    assert set(world.sessions.created) == {
        session_name_of_slot("nightly", VM, SLOT),
        session_name_of_slot("nightly", DB, SLOT),
    }
    assert world.policy.status.last_slot == SLOT
    assert world.policy.status.next_start == datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    assert set(world.policy.status.active_sessions) == set(world.sessions.created)
    (session, _) = world.sessions.stored.values()
    assert session.spec.slot == SLOT
    assert session.spec.stored_in.namespace == "team"
    assert session.metadata.labels["velero.io/exclude-from-backup"] == "true"
    generation = str(world.policy.metadata.generation)
    assert session.metadata.annotations["vmbackup.dev/policy-generation"] == generation


async def test_looked_at_again_nothing_is_made_and_nothing_written(world: PolicyWorld) -> None:
    await world.look()
    world.sessions.end()
    await world.look()
    writes = world.policies.writes

    for _ in range(3):
        await world.look()
        world.start()

    assert len(world.sessions.created) == 1
    assert world.policies.writes == writes


@pytest.mark.parametrize(
    ("vm", "reason"),
    [
        (ArmId(VM.replace("web-01", "gone-01")), "VirtualMachineNotFound"),
        (FOREIGN, "CrossSubscriptionRefused"),
        (OUTSIDE, "ScopeNotAllowed"),
    ],
    ids=["missing", "another subscription", "outside the tenancy"],
)
async def test_a_vm_that_cannot_be_backed_up_is_named_and_the_others_are_backed_up(
    world: PolicyWorld, vm: ArmId, reason: str
) -> None:
    world.put(policy(vm, DB))
    world.machines.there = {DB}

    await world.look()

    status, found, message = world.reason()
    assert (status, found) == ("False", reason)
    assert vm in message
    assert world.reason("Stalled")[0] == "True"
    assert world.sessions.created == [session_name_of_slot("nightly", DB, SLOT)]


async def test_without_its_repository_a_policy_says_so_and_waits_with_its_slot(
    world: PolicyWorld,
) -> None:
    repository = world.repositories.stored.popitem()[1]
    await world.look()
    assert world.reason()[1] == "RepositoryNotFound"
    assert "team/repo" in world.reason()[2]
    assert world.sessions.created == []

    world.repositories.put(repository)
    await world.look()

    assert world.reason()[:2] == ("True", "Ready")
    assert len(world.sessions.created) == 1


async def test_a_repositorys_own_reason_is_the_policys(world: PolicyWorld) -> None:
    world.repositories.put(stalled_repository("ContainerNotFound", "no container backups"))

    await world.look()

    assert world.reason()[1] == "ContainerNotFound"
    assert "no container backups" in world.reason()[2]


async def test_a_repository_of_tier_archive_takes_no_backups_and_nothing_begins(
    world: PolicyWorld,
) -> None:
    ready = ready_repository()
    world.repositories.put(replace(ready, spec=replace(ready.spec, tier="Archive")))

    await world.look()

    assert world.reason()[:2] == ("False", "ArchivesAlone")
    assert world.sessions.created == []


async def test_a_repository_that_is_another_appliances_is_said_and_nothing_begins(
    world: PolicyWorld,
) -> None:
    ready = ready_repository()
    world.repositories.put(replace(ready, status=replace(ready.status, owner="somebody-else")))

    await world.look()

    assert world.reason()[:2] == ("False", "ReadOnly")
    assert "somebody-else" in world.reason()[2]
    assert world.sessions.created == []


async def test_trouble_with_azure_is_told_and_passes(world: PolicyWorld) -> None:
    world.machines.trouble = RefusedForNow("403", reason="NotAuthorized", retry_after_s=7)
    with pytest.raises(TransientError):
        await world.look()
    assert world.reason()[1] == "NotAuthorized"
    assert world.reason("Stalled")[0] == "False"

    world.machines.trouble = None
    world.clock.turn(10)
    await world.look()

    assert world.reason()[0] == "True"


async def test_no_right_to_look_at_a_vm_is_told_with_the_vm(world: PolicyWorld) -> None:
    world.machines.trouble = PermanentError("may not read", reason="NotAuthorized")

    await world.look()

    assert world.reason()[1] == "NotAuthorized"
    assert VM in world.reason()[2]


async def test_a_schedule_that_cannot_be_read_stalls_the_policy(world: PolicyWorld) -> None:
    world.edit(schedule=Schedule("0 1 * * *", "Local"))

    await world.look()

    assert world.reason()[1] == "InvalidSchedule"
    assert world.reason("Stalled")[0] == "True"


async def test_the_last_success_survives_the_sessions_object(world: PolicyWorld) -> None:
    await world.look()
    ended = world.clock.now()
    world.sessions.end()
    await world.look()
    assert world.policy.status.last_success_time == ended
    world.sessions.stored.clear()

    await world.look()

    assert world.policy.status.last_success_time == ended


async def test_another_appliances_policy_is_left_alone(world: PolicyWorld) -> None:
    stored = world.policy
    status = replace(stored.status, appliance_id="somebody-else")
    world.policies.put(replace(stored, status=status))

    assert await world.look() == Done()
    assert world.sessions.created == []


async def test_a_deleted_policy_makes_nothing(world: PolicyWorld) -> None:
    metadata = replace(world.policy.metadata, deletion_timestamp=world.clock.now())
    world.policies.put(replace(world.policy, metadata=metadata))

    assert await world.look() == Done()
    assert world.sessions.created == []
    assert KEY in world.policies.stored
