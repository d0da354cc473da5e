"""Policies with blackout windows: what begins in one, what waits for its end, what is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.worlds.memory_policies import KEY, PolicyWorld, fleet, policy
from tests.worlds.samples import VM
from vmbackup_operator.model.backup_policy import (
    Blackout,
    BlackoutShown,
    BlackoutWindow,
    Schedule,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting

SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OPENS = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def windowed(
    *vms: ArmId,
    cron: str = "0 1 * * *",
    start: str = "00:30",
    longest: int = 86400,
    suspend: bool = False,
) -> PolicyWorld:
    """Return a world at two o'clock, in a window until four."""
    world = PolicyWorld()
    blackout = Blackout((BlackoutWindow(start, "04:00"),), longest)
    world.put(policy(*vms, schedule=Schedule(cron, blackout=blackout), suspend=suspend))
    return world


async def test_a_slot_in_a_window_waits_for_its_end_and_that_is_shown() -> None:
    world = windowed(VM)

    answer = await world.look()

    status = world.policy.status
    assert world.sessions.created == []
    assert status.blackout == BlackoutShown(OPENS, SLOT)
    assert status.next_start == OPENS
    assert world.reason() == (
        "True",
        "BlackoutWindow",
        "a blackout window lasts until 2026-11-22 04:00Z; slot 2026-11-22 01:00Z begins then",
    )
    assert isinstance(answer, Waiting)
    assert answer.seconds == (OPENS - world.clock.now()).total_seconds()
    assert [reason for reason, _ in world.events.reasons] == ["SlotPutOff"]


async def test_the_slot_begins_at_the_windows_end_and_keeps_its_name() -> None:
    world = windowed(VM)
    await world.look()
    world.clock.turn((OPENS - world.clock.now()).total_seconds())
    await world.settle()

    (session,) = world.sessions.stored.values()
    assert session.spec.slot == SLOT
    assert session.spec.start_before == OPENS + timedelta(hours=1)
    status = world.policy.status
    assert (status.blackout, status.missed_slots, status.blacked_out_slots) == (None, 0, 0)
    assert world.reason()[1] == "Ready"


async def test_an_operator_killed_in_a_window_begins_the_slot_at_its_end() -> None:
    world = windowed(VM)
    await world.look()
    world.start()
    await world.look()
    before = list(world.sessions.created)
    world.clock.turn((OPENS - world.clock.now()).total_seconds())
    world.start()
    await world.settle()

    assert before == []
    assert [each.spec.slot for each in world.sessions.stored.values()] == [SLOT]
    assert [reason for reason, _ in world.events.reasons] == ["SlotPutOff", "OccasionBegun"]


async def test_a_slot_that_is_put_off_too_long_is_skipped_by_name_and_counted_once() -> None:
    world = windowed(VM, longest=3600)

    await world.look()
    await world.pass_time(hours=3)

    assert world.sessions.created == []
    assert world.policy.status.blacked_out_slots == 1
    assert world.policy.status.missed_slots == 0
    told = [message for reason, message in world.events.reasons if reason == "SlotsBlackedOut"]
    assert told == ["no session was made for slot 2026-11-22 01:00Z within a blackout window"]


async def test_a_schedule_that_never_begins_for_its_windows_is_called_amiss() -> None:
    world = windowed(VM, longest=0)

    await world.look()

    assert world.reason()[:2] == ("False", "EverySlotBlackedOut")
    assert world.policy.status.next_start is None


async def test_of_the_slots_in_a_window_the_newest_begins_and_the_others_are_told() -> None:
    world = windowed(VM, cron="*/30 1-4 * * *", start="01:00")
    await world.look()
    await world.pass_time(hours=2, every_s=1800)

    slots = [each.spec.slot for each in world.sessions.stored.values()]
    assert slots == [OPENS]
    told = dict(world.events.reasons)
    assert told["SlotsBlackedOut"] == (
        "no session was made for 6 slots within a blackout window, the last of them "
        "2026-11-22 03:30Z: slot 2026-11-22 04:00Z is newer"
    )
    assert [reason for reason, _ in world.events.reasons].count("SlotPutOff") == 1
    assert world.policy.status.missed_slots == 0


async def test_a_trigger_is_not_held_back_and_says_that_there_is_a_window() -> None:
    world = windowed(VM)
    await world.look()
    world.trigger("now")
    await world.settle()

    assert [each.spec.trigger for each in world.sessions.stored.values()] == ["now"]
    told = dict(world.events.reasons)
    assert told["OccasionBegun"].endswith("though a blackout window lasts until 2026-11-22 04:00Z")


async def test_vms_that_wait_for_their_turn_when_a_window_begins_wait_for_its_end() -> None:
    long = Schedule(
        "0 1 * * *",
        starting_deadline_seconds=5 * 3600,
        blackout=Blackout((BlackoutWindow("02:30", "04:00"),)),
    )
    world = PolicyWorld()
    world.put(policy(*fleet(2), schedule=long, max_concurrent_sessions=1))
    await world.settle()
    world.clock.turn(1800)
    world.sessions.end()
    answer = await world.settle()
    within = len(world.sessions.created)
    world.clock.turn(5400)
    await world.settle()

    assert isinstance(answer, Waiting)
    assert answer.seconds == 5400
    assert within == 1
    assert world.sessions.of_outcome(None) == ["vm-02"]


async def test_vms_whose_deadline_passes_in_a_window_are_skipped_and_it_is_said_why() -> None:
    short = Schedule("0 1 * * *", starting_deadline_seconds=4500,
                     blackout=Blackout((BlackoutWindow("02:10", "04:00"),)))  # fmt: skip
    world = PolicyWorld()
    world.put(policy(*fleet(2), schedule=short, max_concurrent_sessions=1))
    await world.settle()
    world.clock.turn(600)
    world.sessions.end()
    answer = await world.settle()
    assert isinstance(answer, Waiting)
    world.clock.turn(answer.seconds)
    await world.settle()

    assert world.sessions.of_outcome("Skipped") == ["vm-02"]
    told = dict(world.events.reasons)
    assert told["SessionsSkipped"].endswith("a blackout window lasts until 2026-11-22 04:00Z")


async def test_a_policy_is_looked_at_when_a_window_begins_and_when_it_ends() -> None:
    world = PolicyWorld()
    blackout = Blackout((BlackoutWindow("02:30", "04:00"),))
    world.put(policy(VM, schedule=Schedule("0 12 * * *", blackout=blackout)))
    before = await world.settle()
    world.clock.turn(1800)
    within = await world.settle()

    assert isinstance(before, Waiting)
    assert isinstance(within, Waiting)
    assert (before.seconds, within.seconds) == (1800, 5400)
    assert world.policy.status.blackout == BlackoutShown(OPENS)
    assert world.events.reasons == []


async def test_an_idle_window_is_written_down_once() -> None:
    world = windowed(VM, cron="0 12 * * *")
    await world.settle()
    before = world.policies.stored[KEY].metadata.resource_version
    world.clock.turn(600)
    await world.settle()

    assert world.policies.stored[KEY].metadata.resource_version == before


async def test_a_suspended_policy_shows_no_window() -> None:
    world = windowed(VM, suspend=True)
    await world.settle()

    assert world.policy.status.blackout is None
    assert world.reason()[1] == "Suspended"


async def test_windows_that_never_end_are_called_amiss() -> None:
    world = PolicyWorld()
    halves = (BlackoutWindow("00:00", "13:00"), BlackoutWindow("13:00", "24:00"))
    world.put(policy(VM, schedule=Schedule("0 1 * * *", blackout=Blackout(halves))))

    await world.settle()

    assert world.reason()[:2] == ("False", "InvalidSchedule")
    assert world.sessions.created == []
