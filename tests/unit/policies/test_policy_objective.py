"""The ``rpo`` of a policy: who breaches it, since when, and how people hear of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worlds.memory_policies import CREATED, PolicyWorld, fleet, policy
from tests.worlds.samples import VM
from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_policy import MachineObjective, SessionHistory
from vmbackup_operator.policies.objective import next_breach, with_objective
from vmbackup_operator.reconciling.outcome import Waiting

RUN = RunId("0" * 32)
HOUR = timedelta(hours=1)


async def stored(world: PolicyWorld, *names: str) -> None:
    """Have the running sessions store a recovery point and end, of these VMs or of all."""
    for session in list(world.sessions.stored.values()):
        name = session.spec.virtual_machine_id.rsplit("/", 1)[-1]
        if session.status.outcome is None and (not names or name in names):
            status = replace(
                session.status, recovery_point=RUN, start_time=world.clock.now(),
                outcome="Succeeded", completion_time=world.clock.now(),
            )  # fmt: skip
            world.sessions.store(replace(session, status=status))
    await world.settle()


def shown(world: PolicyWorld) -> dict[str, MachineObjective]:
    found = world.policy.status.rpo
    assert found is not None
    return {each.name.rsplit("/", 1)[-1]: each for each in found.virtual_machines}


async def protected(*, rpo: str = "15h", count: int = 2) -> PolicyWorld:
    """Return a world in which each VM has had a recovery point at two o'clock."""
    world = PolicyWorld()
    world.put(policy(*fleet(count), rpo=rpo))
    await world.settle()
    await stored(world)
    return world


def said(world: PolicyWorld, kind: str = "ObjectiveBreached") -> list[str]:
    return [message for reason, message in world.events.reasons if reason == kind]


async def test_a_policy_whose_vms_are_backed_up_meets_its_objective() -> None:
    world = await protected()

    now = world.clock.now()
    assert world.reason("RPOMet")[:2] == ("True", "ObjectiveMet")
    assert shown(world)["vm-01"] == MachineObjective("prod/vm-01", "Met", now + 15 * HOUR, now)
    assert said(world) == []


async def test_the_policy_is_looked_at_when_the_next_vm_breaches_and_it_is_told_once() -> None:
    world = await protected()
    taken = world.clock.now()

    answer = await world.settle()
    assert isinstance(answer, Waiting)
    world.clock.turn(answer.seconds)
    await world.settle()
    await world.settle()

    assert answer.seconds == 15 * 3600
    ends = f"{taken + 15 * HOUR:%Y-%m-%d %H:%M:%SZ}"
    message = (
        "2 of 2 VMs without a recovery point of the last 15h: "
        f"prod/vm-01 since {ends}, prod/vm-02 since {ends}"
    )
    assert world.reason("RPOMet") == ("False", "ObjectiveBreached", message)
    assert len(said(world)) == 1
    assert {each.state for each in shown(world).values()} == {"Breached"}


async def test_the_end_of_a_breach_is_told_of_the_vms_that_meet_it_again() -> None:
    world = await protected()
    world.clock.turn(16 * 3600)
    await world.settle()
    world.trigger("now")
    await world.settle()
    await stored(world, "vm-01")

    assert shown(world)["vm-01"].state == "Met"
    assert shown(world)["vm-02"].state == "Breached"
    assert said(world, "ObjectiveMet") == ["a recovery point of the last 15h again: prod/vm-01"]
    assert world.reason("RPOMet")[0] == "False"
    rpo = world.policy.status.rpo
    assert rpo is not None
    assert rpo.breached_count == 1
    assert next(each.name for each in rpo.virtual_machines) == "prod/vm-02"


async def test_a_restart_changes_nothing_and_tells_nothing_again() -> None:
    world = await protected()
    world.clock.turn(16 * 3600)
    await world.settle()
    before, told = world.policy.status, len(world.events.told)
    world.start()
    await world.settle()

    assert world.policy.status == before
    assert len(world.events.told) == told


async def test_objects_of_sessions_that_go_take_no_recovery_point_away() -> None:
    world = await protected()
    world.edit(session_history=SessionHistory(succeeded=0))
    await world.settle()
    before = shown(world)
    world.clock.turn(3600)
    await world.settle()

    assert list(world.sessions.stored) == []
    assert shown(world) == before


async def test_a_vm_without_any_point_counts_from_when_the_policy_knew_it() -> None:
    world = PolicyWorld()
    world.put(policy(VM, cron=None, rpo="15h"))
    await world.settle()

    machine = shown(world)["web-01"]
    assert (machine.known_since, machine.state) == (CREATED, "Met")
    assert machine.breach_time == CREATED + 15 * HOUR
    assert machine.last_recovery_point_time is None


async def test_a_suspended_policy_breaches_its_objective_too() -> None:
    world = await protected()
    world.edit(suspend=True)
    world.clock.turn(16 * 3600)
    await world.settle()

    assert world.reason("RPOMet")[0] == "False"
    assert world.reason()[1] == "Suspended"


async def test_an_edit_counts_at_once_and_without_an_objective_nothing_is_said() -> None:
    world = await protected()
    world.clock.turn(2 * 3600)
    world.edit(rpo="90m")
    await world.settle()
    tighter = world.reason("RPOMet")[0]
    world.edit(rpo=None)
    await world.settle()

    assert tighter == "False"
    assert world.policy.status.rpo is None
    assert "RPOMet" not in {each.type for each in world.policy.status.conditions}


async def test_a_failed_session_ends_no_breach() -> None:
    world = await protected(count=1)
    world.clock.turn(16 * 3600)
    world.trigger("now")
    await world.settle()
    world.sessions.end("Failed")
    await world.settle()

    assert shown(world)["vm-01"].state == "Breached"


async def test_a_point_ahead_of_now_is_not_believed() -> None:
    world = PolicyWorld()
    world.put(policy(VM, rpo="15h"))
    await world.settle()
    ahead = timedelta(days=1500).total_seconds()
    world.clock.turn(ahead)
    await stored(world)
    world.clock.turn(-ahead)
    await world.settle()

    assert shown(world)["web-01"].last_recovery_point_time is None


@pytest.mark.parametrize(
    ("rpo", "longest"),
    [("90m", timedelta(minutes=90)), ("26h", 26 * HOUR), ("2d", timedelta(days=2))],
)
def test_a_duration_is_read(rpo: str, longest: timedelta) -> None:
    assert policy(VM, rpo=rpo).spec.objective == longest


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=8),
    st.integers(1, 3000),
    st.integers(0, 3000),
)
async def test_whoever_breaches_has_no_younger_point_and_the_next_breach_is_foreseen(
    ages: list[int], minutes: int, later: int
) -> None:
    world = PolicyWorld()
    world.put(policy(*fleet(len(ages)), rpo=f"{minutes}m"))
    await world.settle()
    now = world.clock.now()
    minute, sessions = timedelta(minutes=1), []
    for each, age in zip(world.sessions.stored.values(), ages, strict=False):
        status = replace(each.status, recovery_point=RUN, start_time=now - age * minute)
        sessions.append(replace(each, spec=replace(each.spec, slot=None), status=status))
    made = replace(world.policy, status=replace(world.policy.status, rpo=None))
    first = with_objective(made, made.status, sessions, now)
    moment = now + later * minute
    second = with_objective(replace(made, status=first), first, (), moment)

    assert first.rpo is not None
    assert second.rpo is not None
    foreseen = next_breach(first.rpo)
    more = second.rpo.breached_count > first.rpo.breached_count
    assert more == (foreseen is not None and foreseen <= moment)
    for machine in second.rpo.virtual_machines:
        since = machine.last_recovery_point_time or machine.known_since
        assert since is not None
        assert (machine.state == "Breached") == (moment - since >= timedelta(minutes=minutes))
