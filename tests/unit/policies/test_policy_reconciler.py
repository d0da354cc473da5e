"""What a policy does when it is looked at: sessions, conditions, history."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.unit.policies.memory_policies import KEY, PolicyWorld, policy
from tests.unit.sessions.memory_azure import SUBSCRIPTION
from tests.unit.sessions.memory_cluster import stalled_repository
from tests.unit.sessions.memory_world import FOREIGN_SUBSCRIPTION, VM
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.model.backup_policy import Schedule, SessionHistory
from vmbackup_operator.model.metadata import FINALIZER
from vmbackup_operator.naming import ArmId, session_name_of_slot, session_name_of_trigger
from vmbackup_operator.reconciling.outcome import Done, Waiting

DB = ArmId(VM.replace("web-01", "db-01"))
FOREIGN = ArmId(VM.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION))
OUTSIDE = ArmId(VM.replace(SUBSCRIPTION, "33333333-3333-4333-8333-333333333333"))
SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


@pytest.fixture
def world() -> PolicyWorld:
    made = PolicyWorld()
    made.policies.put(policy(VM))
    return made


async def test_a_due_slot_makes_one_session_for_each_vm(world: PolicyWorld) -> None:
    world.policies.put(policy(VM, DB))

    await world.look()

    assert set(world.sessions.created) == {
        session_name_of_slot("nightly", VM, SLOT),
        session_name_of_slot("nightly", DB, SLOT),
    }
    assert world.policy.status.last_slot == SLOT
    assert world.policy.status.next_slot == datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    assert set(world.policy.status.active_sessions) == set(world.sessions.created)
    (session, _) = world.sessions.stored.values()
    assert session.spec.slot == SLOT
    assert session.spec.repository_ref.namespace == "team"
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


async def test_killed_before_its_status_was_written_the_slot_still_has_one_session(
    world: PolicyWorld,
) -> None:
    await world.look()
    stored = world.policy
    world.policies.put(replace(stored, status=policy(VM).status))
    world.sessions.end()

    await world.look()

    assert len(world.sessions.created) == 1


async def test_a_trigger_makes_one_session_per_token(world: PolicyWorld) -> None:
    world.policies.put(policy(VM, cron=None))
    world.trigger("one")
    await world.look()
    await world.look()
    world.sessions.end()
    world.trigger("two")
    await world.look()

    assert world.sessions.created == [
        session_name_of_trigger("nightly", VM, "one"),
        session_name_of_trigger("nightly", VM, "two"),
    ]
    assert world.policy.status.last_handled_trigger == "two"


async def test_a_vm_that_is_being_backed_up_is_not_asked_for_again_until_that_has_ended(
    world: PolicyWorld,
) -> None:
    await world.look()
    world.trigger("now")

    waiting = await world.look()
    assert isinstance(waiting, Waiting)
    assert (len(world.sessions.created), waiting.seconds) == (1, 15)
    assert world.policy.status.last_handled_trigger is None
    world.sessions.end()
    await world.look()

    assert len(world.sessions.created) == 2
    assert world.policy.status.last_handled_trigger == "now"


async def test_no_more_sessions_run_at_once_than_the_policy_allows(world: PolicyWorld) -> None:
    vms = [ArmId(VM.replace("web-01", f"web-{number}")) for number in range(5)]
    world.policies.put(policy(*vms, max_concurrent_sessions=2))

    await world.look()
    assert len(world.sessions.created) == 2
    assert world.policy.status.last_slot is None
    world.sessions.end()
    await world.look()
    world.sessions.end()
    await world.look()

    assert len(world.sessions.created) == 5
    assert world.policy.status.last_slot == SLOT


async def test_suspended_no_slot_starts_a_session_and_a_trigger_does(world: PolicyWorld) -> None:
    world.edit(suspend=True)
    await world.look()
    assert world.sessions.created == []
    assert world.reason()[:2] == ("True", "Suspended")
    assert world.policy.status.next_slot is None

    world.trigger("now")
    await world.look()

    assert len(world.sessions.created) == 1


async def test_missed_slots_are_counted_and_told_once(world: PolicyWorld) -> None:
    world.clock.turn(5 * 3600)

    await world.look()
    await world.look()

    assert world.sessions.created == []
    assert world.policy.status.missed_slots == 2
    assert [reason for reason, _ in world.events.told] == ["SlotsMissed"]


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
    world.presence.missing.add(ArmId(VM.replace("web-01", "gone-01")))
    world.policies.put(policy(vm, DB))

    await world.look()

    status, found, message = world.reason()
    assert (status, found) == ("False", reason)
    assert vm in message
    assert world.reason("Stalled")[0] == "True"
    assert world.sessions.created == [session_name_of_slot("nightly", DB, SLOT)]


async def test_without_its_repository_a_policy_says_so_and_waits_with_its_slot(
    world: PolicyWorld,
) -> None:
    repository, world.repositories.stored = world.repositories.stored, None
    await world.look()
    assert world.reason()[1] == "RepositoryNotFound"
    assert "team/repo" in world.reason()[2]
    assert world.sessions.created == []

    world.repositories.stored = repository
    await world.look()

    assert world.reason()[:2] == ("True", "Ready")
    assert len(world.sessions.created) == 1


async def test_a_repositorys_own_reason_is_the_policys(world: PolicyWorld) -> None:
    world.repositories.stored = stalled_repository("ContainerNotFound", "no container backups")

    await world.look()

    assert world.reason()[1] == "ContainerNotFound"
    assert "no container backups" in world.reason()[2]


async def test_trouble_with_azure_is_told_and_passes(world: PolicyWorld) -> None:
    world.presence.trouble = TransientError("503 from Azure", retry_after_s=7)
    with pytest.raises(TransientError):
        await world.look()
    assert world.reason()[1] == "AzureUnavailable"
    assert world.reason("Stalled")[0] == "False"

    world.presence.trouble = None
    await world.look()

    assert world.reason()[0] == "True"


async def test_no_right_to_look_at_a_vm_is_told_with_the_vm(world: PolicyWorld) -> None:
    world.presence.trouble = PermanentError("may not read", reason="NotAuthorized")

    await world.look()

    assert world.reason()[1] == "NotAuthorized"
    assert VM in world.reason()[2]


async def test_a_schedule_that_cannot_be_read_stalls_the_policy(world: PolicyWorld) -> None:
    world.edit(schedule=Schedule("0 1 * * *", "Local"))

    await world.look()

    assert world.reason()[1] == "InvalidSchedule"
    assert world.reason("Stalled")[0] == "True"


async def test_a_session_of_the_wanted_name_that_is_another_one_is_not_adopted(
    world: PolicyWorld,
) -> None:
    await world.look()
    (key,) = world.sessions.stored
    session = world.sessions.stored[key]
    spec = replace(session.spec, virtual_machine_id=DB)
    world.sessions.stored[key] = replace(session, spec=spec)
    world.policies.put(replace(world.policy, status=policy(VM).status))

    await world.look()

    assert world.reason()[1] == "AdoptionRefused"
    assert str(key) in world.reason()[2]


async def test_an_edited_retention_does_not_make_an_older_session_foreign(
    world: PolicyWorld,
) -> None:
    await world.look()
    world.policies.put(replace(world.policy, status=policy(VM).status))
    world.edit(snapshots_to_keep=5)

    await world.look()

    assert world.reason()[:2] == ("True", "Ready")


async def test_history_keeps_the_newest_of_each_vm_and_what_still_has_to_be_undone(
    world: PolicyWorld,
) -> None:
    world.policies.put(policy(VM, cron=None, session_history=SessionHistory(2, 1)))
    for number in range(4):
        world.trigger(f"good-{number}")
        await world.look()
        world.sessions.end()
        world.clock.turn(60)
    for number in range(2):
        world.trigger(f"bad-{number}")
        await world.look()
        world.sessions.end("Failed")
        world.clock.turn(60)
    await world.look()

    left = [session.spec.trigger for session in world.sessions.stored.values()]
    assert left == ["good-2", "good-3", "bad-1"]

    key = next(iter(world.sessions.stored))
    session = world.sessions.stored[key]
    held = replace(session.metadata, finalizers=(FINALIZER,))
    world.sessions.stored[key] = replace(session, metadata=held)
    world.trigger("good-4")
    await world.look()
    world.sessions.end()
    await world.look()
    assert key in world.sessions.stored


async def test_the_last_success_survives_the_sessions_object(world: PolicyWorld) -> None:
    await world.look()
    ended = world.clock.now()
    world.sessions.end()
    await world.look()
    assert world.policy.status.last_success_time == ended
    world.sessions.stored.clear()

    await world.look()

    assert world.policy.status.last_success_time == ended


async def test_a_vm_that_was_found_is_not_looked_for_every_time(world: PolicyWorld) -> None:
    for _ in range(5):
        await world.look()
        world.clock.turn(10)
    assert world.presence.looks == 1

    world.clock.turn(600)
    await world.look()

    assert world.presence.looks == 2


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
