"""What a trigger asks for, and what a pause holds back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.worlds.memory_policies import PolicyWorld, fleet, policy
from tests.worlds.samples import VM
from vmbackup_operator.naming import session_name_of_slot
from vmbackup_operator.reconciling.outcome import Waiting

SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


async def test_any_change_of_the_triggers_value_is_another_occasion(idle: PolicyWorld) -> None:
    for token in ("before-upgrade", "other", "before-upgrade"):
        idle.trigger(token)
        await idle.look()
        await idle.look()
        idle.sessions.end()
        await idle.look()

    assert len(set(idle.sessions.created)) == 3
    triggers = [each.spec.trigger for each in idle.sessions.stored.values()]
    assert triggers == ["before-upgrade", "other", "before-upgrade"]


async def test_a_trigger_taken_off_asks_for_nothing_and_put_back_it_asks(idle: PolicyWorld) -> None:
    for token in ("go", None, "go"):
        idle.trigger(token)
        await idle.settle()
        idle.sessions.end()

    assert len(set(idle.sessions.created)) == 2


async def test_the_status_names_an_occasion_before_any_session_of_it_is_made(
    idle: PolicyWorld,
) -> None:
    def meet(what: str) -> None:
        if what == "before a session":
            trigger = idle.policy.status.trigger
            assert trigger is not None
            assert (trigger.token, trigger.first_seen) == ("go", idle.clock.now())
            assert idle.policy.status.occasion is not None
            assert idle.policy.status.occasion.trigger == trigger

    idle.sessions.meets = meet
    idle.trigger("go")
    await idle.look()

    (session,) = idle.sessions.stored.values()
    assert session.spec.trigger_time == idle.clock.now()


async def test_a_policy_first_seen_with_a_trigger_records_it_without_acting(
    world: PolicyWorld,
) -> None:
    world.trigger("from-git")

    await world.settle()
    await world.settle()

    assert world.sessions.created == [session_name_of_slot("nightly", VM, SLOT)]
    assert [reason for reason, _ in world.events.reasons] == ["TriggerIgnored", "OccasionBegun"]
    world.sessions.end()
    world.trigger("now")
    await world.settle()
    assert len(world.sessions.created) == 2


async def test_a_vm_that_is_being_backed_up_is_not_asked_for_again_until_that_has_ended(
    world: PolicyWorld,
) -> None:
    await world.look()
    world.trigger("now")

    waiting = await world.look()
    assert isinstance(waiting, Waiting)
    assert (len(world.sessions.created), waiting.seconds) == (1, 15)
    world.sessions.end()
    await world.look()

    assert len(world.sessions.created) == 2
    assert world.policy.status.occasion is not None
    assert world.policy.status.occasion.ended


async def test_a_slot_and_a_trigger_of_one_moment_are_two_occasions(world: PolicyWorld) -> None:
    world.edit(suspend=True)
    await world.settle()
    world.edit(suspend=False)
    await world.settle()
    world.clock.turn(24 * 3600)
    world.trigger("now")

    await world.settle()
    world.sessions.end()
    await world.settle()

    asked = [(each.spec.slot, each.spec.trigger) for each in world.sessions.stored.values()]
    assert asked == [(SLOT + timedelta(days=1), None), (None, "now")]


async def test_suspended_neither_a_slot_nor_a_trigger_begins_a_session(world: PolicyWorld) -> None:
    world.edit(suspend=True)
    await world.settle()
    world.trigger("now")
    await world.settle()

    assert world.sessions.created == []
    assert world.reason()[:2] == ("True", "Suspended")
    assert world.policy.status.next_start is None
    assert world.events.reasons == [
        ("TriggerIgnored", "vmbackup.dev/trigger starts nothing: the policy is suspended")
    ]


async def test_what_was_due_during_a_pause_is_neither_caught_up_with_nor_missed(
    world: PolicyWorld,
) -> None:
    await world.settle()
    world.sessions.end()
    world.edit(suspend=True)
    await world.pass_time(hours=30 * 24, every_s=6 * 3600)
    world.trigger("ignored")
    await world.settle()
    world.edit(suspend=False)
    await world.settle()

    assert len(world.sessions.created) == 1
    assert world.policy.status.missed_slots == 0
    assert "SlotsMissed" not in [reason for reason, _ in world.events.reasons]
    await world.pass_time()
    assert len(world.sessions.created) == 2


async def test_suspended_in_the_midst_who_had_no_turn_is_skipped(world: PolicyWorld) -> None:
    world.put(policy(*fleet(3), max_concurrent_sessions=1))
    await world.settle()
    world.edit(suspend=True)
    await world.settle()
    world.sessions.end()
    await world.settle()

    assert world.sessions.of_outcome("Succeeded") == ["vm-01"]
    assert world.sessions.of_outcome("Skipped") == ["vm-02", "vm-03"]


async def test_the_trigger_that_the_annotation_names_begins_new_chains(idle: PolicyWorld) -> None:
    """Two annotations with one value: no slot, and no later trigger, stores everything anew."""
    for token in ("anew", "later"):
        idle.trigger(token, new_chain="anew")
        await idle.settle()
        idle.sessions.end()

    assert [each.spec.new_chain for each in idle.sessions.stored.values()] == [True, False]


@pytest.mark.parametrize(
    ("asked", "begun"),
    [
        ([("a", "a"), ("b", "a"), ("a", "a")], [True, False, False]),
        ([("a", "a"), ("b", None), ("a", "a")], [True, False, True]),
        ([("a", "b"), ("b", "b"), ("a", "b"), ("b", "b")], [False, True, False, False]),
        ([("a", None), ("b", None), ("a", "a")], [False, False, True]),
        ([("a", "a"), ("a", "b"), ("b", "b")], [True, True]),
    ],
    ids=["put back", "asked again", "named ahead", "never named before", "named another"],
)
async def test_a_trigger_that_is_put_back_begins_no_new_chains_again(
    idle: PolicyWorld, asked: list[tuple[str, str | None]], begun: list[bool]
) -> None:
    for token, new_chain in asked:
        idle.trigger(token, new_chain=new_chain)
        await idle.settle()
        idle.sessions.end()
        await idle.pass_time(hours=1)

    assert [each.spec.new_chain for each in idle.sessions.stored.values()] == begun


async def test_a_trigger_that_started_nothing_has_used_the_order_up(idle: PolicyWorld) -> None:
    """While a policy is suspended nothing begins, and nothing of it is caught up with."""
    idle.edit(suspend=True)
    idle.trigger("a", new_chain="a")
    await idle.settle()
    idle.edit(suspend=False)
    for token in ("b", "a"):
        idle.trigger(token, new_chain="a")
        await idle.settle()
        idle.sessions.end()

    assert [each.spec.new_chain for each in idle.sessions.stored.values()] == [False, False]


async def test_a_session_is_taken_for_its_own_where_the_order_was_taken_back(
    idle: PolicyWorld,
) -> None:
    idle.trigger("anew", new_chain="anew")
    await idle.settle()
    idle.trigger("anew")
    await idle.settle()

    assert len(idle.sessions.created) == 1
    assert not [each for each in idle.policy.status.conditions if each.reason == "AdoptionRefused"]
