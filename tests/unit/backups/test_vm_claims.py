"""One session of a VM runs, also where two processes believe that they lead."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import LocalReference
from vmbackup_operator.naming import ArmId, session_name_of_slot
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.wiring.tables import UNDO

SECOND = ObjectKey("team", "nightly-2")


class Led:
    """The operator of a world, put aside: it can be made the one that works."""

    def __init__(self, world: World) -> None:
        self.ground, self.reconciler = world.ground, world.reconciler
        self.intake, self.queues = world.intake, world.queues

    async def look(self, key: ObjectKey) -> None:
        await self.reconciler.reconcile(key)


def started_beside(world: World) -> Led:
    """Start another operator over the same cluster and Azure; return the one of before.

    It is told nothing by the watch from here on, as a process that was paused.
    """
    paused = Led(world)
    world.start()
    return paused


def accepted(world: World, key: ObjectKey) -> bool:
    return any(
        each.type == "Accepted" and each.status == "True" for each in world.status(key).conditions
    )


async def test_a_process_that_was_paused_begins_no_second_session_of_the_vm(world: World) -> None:
    paused = started_beside(world)
    world.sessions.put(session_of(SECOND))
    await world.run_until("SnapshotsReady", SECOND)
    world.clock.turn(1)

    for _ in range(20):
        await paused.look(KEY)
        world.clock.turn(60)

    assert not accepted(world, KEY)
    said = world.condition("Accepted", KEY)
    assert said.reason == "VirtualMachineBusy"
    assert str(SECOND) in said.message
    assert len(world.azure.snapshots) == 3
    await world.run(KEY, SECOND)
    assert [world.status(key).outcome for key in (KEY, SECOND)] == ["Succeeded"] * 2
    assert world.undo_records.stored == {}


async def test_what_the_paused_process_had_begun_goes_on_and_the_other_one_waits(
    world: World,
) -> None:
    world.sessions.put(session_of(SECOND))
    await world.look(SECOND)  # it began first, and the process has not heard of it any more
    world.clock.turn(1)
    world.ground.book.forget(SECOND)
    await world.run_until("Accepted", KEY)

    world.start()
    for _ in range(5):
        await world.look(SECOND)
    assert not accepted(world, SECOND)
    assert world.condition("Accepted", SECOND).reason == "VirtualMachineBusy"

    await world.run(KEY, SECOND)
    assert [world.status(key).outcome for key in (KEY, SECOND)] == ["Succeeded"] * 2


async def test_a_session_that_had_claimed_and_was_killed_waits_for_nobody_who_waits_for_it(
    world: World,
) -> None:
    world.sessions.put(session_of(SECOND))
    await world.look(SECOND)
    world.clock.turn(1)
    world.ground.book.forget(SECOND)

    def kill(what: str) -> None:
        if what == "after the undo record":
            raise Killed

    world.meets(kill)
    with pytest.raises(Killed):
        await world.run_until("Accepted", KEY)
    world.meets(lambda _: None)

    world.start()
    await world.run(KEY, SECOND)

    assert [world.status(key).outcome for key in (KEY, SECOND)] == ["Succeeded"] * 2


async def test_the_claim_of_a_session_that_has_gone_passes_on_and_its_rest_is_undone(
    world: World,
) -> None:
    await world.run_until("ExportGranted")
    del world.sessions.stored[KEY]
    world.sessions.gone(KEY)
    world.sessions.put(session_of(SECOND))

    await world.run_until("SnapshotsReady", SECOND)
    runs = {record.session for record in world.undo_records.stored.values()}
    assert runs == {KEY, SECOND}
    left = LeftBehind(world.ground, UNDO)
    for _ in range(20):
        await left.reconcile()
        world.clock.turn(10)

    assert [record.session for record in world.undo_records.stored.values()] == [SECOND]
    assert len(world.azure.snapshots) == 3
    await world.run(SECOND)
    assert world.status(SECOND).outcome == "Succeeded"
    assert world.undo_records.stored == {}


async def test_what_can_not_be_undone_keeps_no_later_session_of_the_vm_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_vm_id: ArmId) -> bool:
        raise TransientError("deallocating: 503")

    await world.run_until("AccessRevoked")
    monkeypatch.setattr(world.ground.workers, "deallocate", refused)
    for _ in range(60):
        if world.status().outcome is not None:
            break
        await world.look()
        world.clock.turn(5)
    assert world.status().outcome == "Succeeded"
    assert len(world.undo_records.stored) == 1

    world.sessions.put(session_of(SECOND))
    await world.run_until("SnapshotsReady", SECOND)

    assert {record.session for record in world.undo_records.stored.values()} == {KEY, SECOND}


@pytest.mark.parametrize(
    "moment",
    [
        "before the undo record is kept by run",
        "before the undo record is taken over",
        "after the undo record is taken over",
    ],
)
async def test_a_kill_while_a_claim_passes_on_loses_nothing(world: World, moment: str) -> None:
    await world.run_until("ExportGranted")
    del world.sessions.stored[KEY]
    world.sessions.gone(KEY)
    world.sessions.put(session_of(SECOND))

    def kill(what: str) -> None:
        if what == moment:
            raise Killed

    world.meets(kill)
    with pytest.raises(Killed):
        await world.run_until("SnapshotsReady", SECOND)
    world.meets(lambda _: None)
    world.start()

    await world.run(SECOND)
    left = LeftBehind(world.ground, UNDO)
    for _ in range(20):
        await left.reconcile()
        world.clock.turn(10)

    assert world.status(SECOND).outcome == "Succeeded"
    assert world.undo_records.stored == {}
    assert len(world.azure.snapshots) == 3
    assert world.azure.sas == {}


async def test_a_session_that_was_made_again_takes_its_runs_claim_over() -> None:
    world = World()
    slot = datetime(2026, 11, 22, 2, tzinfo=UTC)
    key = ObjectKey("team", session_name_of_slot("nightly", VM, slot))
    policy = LocalReference("nightly")
    world.sessions.put(session_of(key, policy_ref=policy, slot=slot))
    await world.run_until("SnapshotsReady", key)
    before = world.sessions.stored.pop(key)
    world.sessions.gone(key)

    uid = "99999999-0000-4000-8000-000000000000"
    world.sessions.put(session_of(key, uid=uid, policy_ref=policy, slot=slot))
    await world.run_until("Accepted", key)

    (record,) = world.undo_records.stored.values()
    assert (record.run_id, record.uid) == (before.status.run_id, uid)
    await world.run(key)
    assert world.status(key).outcome == "Succeeded"
    assert len(world.azure.snapshots) == 3
    assert world.undo_records.stored == {}
