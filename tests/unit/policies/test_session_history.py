"""For how long ended sessions stay as objects, beside how many of them do."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worlds.memory_policies import PolicyWorld, fleet, policy
from tests.worlds.samples import VM, session_of
from vmbackup_operator.model.backup_policy import SessionHistory, VirtualMachines
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.policies.history import beyond_history

NOW = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
DAY = 86400
SHORT = SessionHistory(ttl_seconds_after_finished=DAY)


def ended(number: int, outcome: Outcome, age: timedelta, vm: int) -> BackupSession:
    session = session_of(ObjectKey("team", f"s{number:03}"), fleet(vm + 1)[vm])
    at = NOW - age
    metadata = replace(session.metadata, creation_timestamp=at)
    return replace(
        session,
        metadata=metadata,
        status=replace(session.status, outcome=outcome, completion_time=at),
    )


async def test_sessions_go_when_their_time_is_over_and_the_newest_success_stays() -> None:
    world = PolicyWorld()
    world.put(policy(VM, cron=None, session_history=SHORT))
    await world.look()
    ends: tuple[tuple[str, Outcome], ...] = (
        ("a", "Succeeded"),
        ("b", "Succeeded"),
        ("c", "Failed"),
    )
    for token, outcome in ends:
        world.trigger(token)
        await world.settle()
        world.sessions.end(outcome)
        world.clock.turn(60)
    await world.settle()
    before = len(world.sessions.stored)
    world.clock.turn(DAY)
    await world.settle()

    assert before == 3
    assert [each.spec.trigger for each in world.sessions.stored.values()] == ["b"]


async def test_sessions_of_a_vm_that_left_the_policy_all_go_in_time() -> None:
    world = PolicyWorld()
    world.put(policy(*fleet(2), session_history=SHORT))
    await world.settle()
    world.sessions.end()
    world.edit(virtual_machines=VirtualMachines((fleet(2)[0],)), suspend=True)
    world.clock.turn(DAY)
    await world.settle()

    assert world.sessions.of_outcome("Succeeded") == ["vm-01"]


async def test_without_a_time_sessions_stay_for_their_number() -> None:
    world = PolicyWorld()
    world.put(policy(VM))
    await world.settle()
    world.sessions.end("Failed")
    world.edit(suspend=True)
    world.clock.turn(1000 * DAY)
    await world.settle()

    assert world.sessions.of_outcome("Failed") == ["web-01"]


outcomes = st.sampled_from(["Succeeded", "Failed", "Cancelled", "Skipped"])
sessions_of = st.lists(
    st.tuples(outcomes, st.integers(0, 96).map(lambda hours: timedelta(hours=hours)),
              st.integers(0, 2)),
    max_size=20,
)  # fmt: skip


@given(sessions_of, st.integers(0, 3), st.integers(1, 72), st.booleans())
def test_what_goes_is_beyond_its_number_or_its_time(
    drawn: list[tuple[Outcome, timedelta, int]],
    number: int,
    hours: int,
    backed_up: bool,  # noqa: FBT001
) -> None:
    history = SessionHistory(number, number, number, hours * 3600)
    every = [ended(place, *each) for place, each in enumerate(drawn)]
    machines = fleet(3) if backed_up else []

    gone = beyond_history(history, every, machines, NOW)

    names = [each.metadata.name for each in gone]
    assert len(set(names)) == len(names)
    left = [each for each in every if each.metadata.name not in names]
    limit = NOW - timedelta(hours=hours)
    for vm_id in fleet(3):
        kept = [each for each in left if each.spec.virtual_machine_id == vm_id]
        good = [each for each in kept if each.status.outcome == "Succeeded"]
        old = [each for each in kept if (each.status.completion_time or NOW) <= limit]
        assert len(good) <= number
        assert old in ([], good[:1] if len(good) == 1 and backed_up else [])
    without = replace(history, ttl_seconds_after_finished=None)
    counted_alone = beyond_history(without, every, machines, NOW)
    assert {each.metadata.name for each in counted_alone} <= set(names)
