"""Who has a turn where there is not room for all, and who is told of those without."""

from __future__ import annotations

from msgspec.structs import replace

from tests.worlds.memory_policies import KEY, PolicyWorld, fleet, policy
from tests.worlds.samples import VM
from vmbackup_operator.model.backup_policy import SessionHistory
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId

DB = ArmId(VM.replace("web-01", "db-01"))


async def test_no_more_sessions_run_at_once_than_the_policy_allows(world: PolicyWorld) -> None:
    world.put(policy(*fleet(5), max_concurrent_sessions=2))

    await world.look()
    assert len(world.sessions.created) == 2
    world.sessions.end()
    await world.look()
    world.sessions.end()
    await world.look()

    assert len(world.sessions.created) == 5
    assert world.policy.status.occasion is not None
    assert world.policy.status.occasion.ended


async def test_who_had_no_room_is_skipped_by_name_and_comes_first_the_next_time(
    world: PolicyWorld,
) -> None:
    """Twelve VMs of 15 minutes each, two at once, an hour for each slot: eight or nine a night."""
    world.put(policy(*fleet(12), max_concurrent_sessions=2, session_history=SessionHistory(50, 5)))
    await world.settle()
    await world.pass_time(hours=3)

    skipped = world.sessions.of_outcome("Skipped")
    assert 0 < len(skipped) < 12
    assert skipped == sorted(set(skipped))
    told = dict(world.events.reasons)["SessionsSkipped"]
    assert all(name in told for name in skipped)
    assert "2026-11-22 01:00Z" in told
    status, reason, message = world.reason()
    assert (status, reason) == ("False", "NoTurn")
    assert world.reason("Stalled")[0] == "False"
    assert all(name in message for name in skipped)
    ends = [each.status for each in world.sessions.stored.values() if each.status.conditions]
    assert {(end.outcome, end.conditions[0].type) for end in ends} == {("Skipped", "Failed")}
    assert all("had no turn" in end.message for end in ends)

    begun_before = len(world.sessions.of_outcome("Succeeded"))
    await world.pass_time(hours=20)
    while len(world.sessions.of_outcome("Succeeded")) < begun_before + len(skipped):
        await world.pass_time(hours=1)
    assert set(world.sessions.of_outcome("Succeeded")) == {f"vm-{n:02}" for n in range(1, 13)}


async def test_a_policy_whose_vms_all_had_their_turn_is_plainly_ready(world: PolicyWorld) -> None:
    world.put(policy(*fleet(2), max_concurrent_sessions=1))
    await world.settle()
    world.clock.turn(2 * 3600)
    await world.settle()
    assert world.reason()[1] == "NoTurn"
    world.sessions.end()

    world.clock.turn(21 * 3600 + 60)
    await world.settle()

    assert world.sessions.of_outcome(None) == ["vm-02"]
    assert world.reason()[:2] == ("True", "Ready")


async def test_a_vm_that_is_busy_at_its_turn_goes_first_once_it_is_not(world: PolicyWorld) -> None:
    other = ObjectKey(KEY.namespace, "hourly")
    twin = policy(fleet(3)[1], cron="0 * * * *")
    world.put(replace(twin, metadata=replace(twin.metadata, name=other.name, uid="h")))
    world.put(policy(*fleet(3), max_concurrent_sessions=2))
    await world.look(other)
    await world.look()
    assert world.sessions.of_outcome(None) == ["vm-01", "vm-02", "vm-03"]
    occasion = world.policy.status.occasion
    assert occasion is not None
    assert (occasion.passed_over, occasion.ended) == ((fleet(3)[1],), False)

    world.sessions.end()
    await world.look()

    assert world.sessions.of_outcome(None) == ["vm-02"]
    ended = world.policy.status.occasion
    assert ended is not None
    assert (ended.passed_over, ended.ended) == ((), True)


async def test_without_its_repository_nothing_is_skipped_by_name_and_all_are_told(
    world: PolicyWorld,
) -> None:
    world.repositories.stored.clear()
    await world.settle()
    world.clock.turn(2 * 3600)
    await world.settle()

    assert world.sessions.created == []
    assert world.policy.status.missed_slots == 1
    assert "web-01" in dict(world.events.reasons)["SessionsSkipped"]


async def test_a_refused_adoption_is_told_and_stands_until_it_is_mended(
    world: PolicyWorld,
) -> None:
    await world.look()
    (key,) = world.sessions.stored
    session = world.sessions.stored[key]
    imposter = replace(session, spec=replace(session.spec, virtual_machine_id=DB))
    world.sessions.store(imposter)
    world.policies.put(replace(world.policy, status=policy(VM).status))

    await world.look()
    await world.look()
    assert world.reason()[1] == "AdoptionRefused"
    assert str(key) in world.reason()[2]
    assert [reason for reason, _ in world.events.reasons].count("AdoptionRefused") == 1
    del world.sessions.stored[key]
    await world.look()

    assert world.reason()[:2] == ("True", "Ready")
    assert world.sessions.stored[key].spec.virtual_machine_id == VM


async def test_an_edited_retention_does_not_make_an_older_session_foreign(
    world: PolicyWorld,
) -> None:
    await world.look()
    world.policies.put(replace(world.policy, status=policy(VM).status))
    spec = replace(world.policy.spec, snapshots_to_keep=5)
    world.policies.stored[KEY] = replace(world.policy, spec=spec)

    await world.look()

    assert world.reason()[:2] == ("True", "Ready")
