"""Schedules that are edited, clocks that are wrong, slots that pass."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.worlds.memory_policies import PolicyWorld
from vmbackup_operator.model.backup_policy import Schedule


@pytest.mark.parametrize(
    "edited",
    [
        Schedule("30 1 * * *"),
        Schedule("0 1 * * *", "Etc/GMT+12"),
        Schedule("0 1 * * *", "Europe/Berlin"),
    ],
    ids=["another hour", "zone behind", "zone ahead"],
)
async def test_an_edited_schedule_starts_nothing_for_slots_before_the_edit(
    world: PolicyWorld, edited: Schedule
) -> None:
    await world.settle()
    world.sessions.end()
    world.edit(schedule=edited)
    await world.settle()

    assert len(world.sessions.created) == 1
    assert world.policy.status.missed_slots == 0
    await world.pass_time()
    assert len(world.sessions.created) == 2


async def test_a_policy_edited_before_it_was_first_seen_counts_from_then(
    world: PolicyWorld,
) -> None:
    world.edit(schedule=Schedule("30 1 * * *"))
    await world.settle()

    assert world.sessions.created == []


async def test_a_time_ahead_of_now_is_not_believed(world: PolicyWorld) -> None:
    ahead = timedelta(days=1500).total_seconds()
    await world.settle()
    world.sessions.end()
    world.clock.turn(ahead)
    await world.settle()
    world.sessions.end()
    await world.settle()
    assert len(world.sessions.created) == 2
    world.clock.turn(60 - ahead)
    await world.settle()

    assert len(world.sessions.created) == 2
    status = world.policy.status
    assert status.last_slot is None
    assert status.last_success_time is not None
    assert status.last_success_time < world.clock.now()
    await world.pass_time()
    assert len(world.sessions.created) == 3


async def test_a_clock_that_steps_back_a_little_repeats_nothing(world: PolicyWorld) -> None:
    await world.settle()
    world.sessions.end()
    world.clock.turn(23 * 3600)
    await world.settle()
    world.sessions.end()
    world.clock.turn(-1)
    await world.settle()
    world.clock.turn(2)
    await world.settle()

    assert len(world.sessions.created) == 2


async def test_missed_slots_are_counted_and_told_once(world: PolicyWorld) -> None:
    world.clock.turn(29 * 3600)

    await world.look()
    await world.look()

    assert world.sessions.created == []
    assert world.policy.status.missed_slots == 2
    assert [reason for reason, _ in world.events.reasons] == ["SlotsMissed"]


async def test_what_is_shown_as_next_is_when_sessions_really_start(world: PolicyWorld) -> None:
    world.edit(schedule=Schedule("0 * * * *", jitter_seconds=3000))
    await world.settle()

    for _ in range(200):
        world.clock.turn(61)
        world.sessions.end()
        before = len(world.sessions.created)
        shown = world.policy.status.next_start
        assert shown is not None
        await world.settle()
        assert (len(world.sessions.created) > before) == (shown <= world.clock.now())
        assert world.policy.status.next_start is not None
        assert world.policy.status.next_start > world.clock.now()
