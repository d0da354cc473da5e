"""What sessions leave behind whose objects somebody took away, finalizer and all."""

from __future__ import annotations

import contextlib
from dataclasses import replace as seen

import pytest
from msgspec.structs import replace

from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.errors import TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.conditions import Statement, with_condition
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.findings import worker_of
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.wiring.tables import UNDO

DAY_S = 24 * 3600
STEPS = ("Accepted", "SnapshotsReady", "WorkerReady", "ExportGranted")


def take_away(world: World) -> None:
    """Take the session's object away as a tenant does who may patch finalizers."""
    del world.sessions.stored[KEY]
    world.sessions.gone(KEY)


async def look_until_settled(world: World, looks: int = 20) -> None:
    left = LeftBehind(world.ground, UNDO)
    for _ in range(looks):
        await left.reconcile()
        world.clock.turn(10)


@pytest.mark.parametrize("condition", STEPS)
async def test_a_session_whose_finalizer_was_stripped_leaves_nothing(
    world: World, condition: str
) -> None:
    await world.run_until(condition)
    await world.look()
    take_away(world)

    await look_until_settled(world)

    assert (world.azure.sas, world.azure.snapshots) == ({}, {})
    assert {each.state for each in world.azure.workers.values()} <= {"deallocated"}
    assert world.undo_records.stored == {}


async def test_it_is_undone_as_well_where_the_operator_was_started_again(world: World) -> None:
    await world.run_until("ExportGranted")
    take_away(world)
    world.start()

    await look_until_settled(world)

    assert (world.azure.sas, world.azure.snapshots) == ({}, {})


async def test_the_snapshots_of_a_recovery_point_stay(world: World) -> None:
    await world.run_until("RecoveryPointStored")
    take_away(world)

    await look_until_settled(world)

    assert (world.azure.sas, len(world.azure.snapshots)) == ({}, 3)
    assert world.undo_records.stored == {}


async def test_nothing_is_touched_of_a_session_that_is_there(world: World) -> None:
    await world.run_until("ExportGranted")
    granted = dict(world.azure.sas)

    await look_until_settled(world)
    await world.run()

    assert granted
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
    assert world.undo_records.stored == {}


async def test_a_session_that_was_made_again_takes_over_what_its_run_has_made(
    world: World,
) -> None:
    uid = world.sessions.stored[KEY].metadata.uid
    await world.run_until("ExportGranted")
    take_away(world)
    world.sessions.put(session_of(uid=uid))
    await world.look()

    await look_until_settled(world)
    snapshots = set(world.azure.snapshots)
    await world.run()

    assert len(snapshots) == 3
    assert world.status().outcome == "Succeeded"


async def test_what_was_given_up_is_undone_once_azure_lets_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("ExportGranted")
    revoke = world.ground.snapshots.revoke

    async def refused(_snapshot: ArmId) -> bool:
        raise TransientError("ending access: 503")

    monkeypatch.setattr(world.ground.snapshots, "revoke", refused)
    world.sessions.request_deletion(KEY)
    for _ in range(60):
        if KEY not in world.sessions.stored:
            break
        with contextlib.suppress(TransientError):
            await world.look()
        world.clock.turn(60)
    assert world.azure.sas
    monkeypatch.setattr(world.ground.snapshots, "revoke", revoke)

    await look_until_settled(world)

    assert (world.azure.sas, world.azure.snapshots) == ({}, {})


async def give_up_access(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the session end as Complete though nobody could end its access."""
    await world.run_until("RecoveryPointStored")

    async def refused(_snapshot: ArmId) -> bool:
        raise TransientError("ending access: 503")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(world.ground.snapshots, "revoke", refused)
        while world.status().outcome is None:
            with contextlib.suppress(TransientError):
                await world.look()
            world.clock.turn(60)
    await world.run()
    assert world.status().outcome == "Succeeded"
    assert world.condition("AccessRevoked").reason == "GaveUp"
    assert world.azure.sas


async def test_what_was_given_up_is_said_to_be_done_once_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await give_up_access(world, monkeypatch)
    before = world.status()

    await look_until_settled(world)

    said = world.condition("AccessRevoked")
    assert (said.status, said.reason) == ("True", "Succeeded")
    assert said.message == "access to 3 snapshots is ended"
    assert (world.status().exports, world.azure.sas) == ((), {})
    others = {each for each in world.status().conditions if each.type != "AccessRevoked"}
    assert others == {each for each in before.conditions if each.type != "AccessRevoked"}
    assert (world.status().outcome, world.status().completion_time) == (
        "Succeeded",
        before.completion_time,
    )
    assert world.undo_records.stored == {}


async def test_killed_before_it_is_said_it_is_said_by_the_next_operator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await give_up_access(world, monkeypatch)

    def kill(what: str) -> None:
        if "status" in what:
            raise Killed

    world.meets(kill)
    with pytest.raises(Killed):
        await look_until_settled(world)
    assert world.condition("AccessRevoked").reason == "GaveUp"
    world.meets(lambda _what: None)
    world.start()

    await look_until_settled(world)

    assert world.condition("AccessRevoked").status == "True"
    assert world.undo_records.stored == {}


async def test_another_object_of_the_name_says_nothing_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await give_up_access(world, monkeypatch)
    ended = world.sessions.stored[KEY]
    take_away(world)
    world.sessions.put(replace(ended, metadata=replace(ended.metadata, uid="another")))

    await look_until_settled(world)

    assert world.azure.sas == {}
    assert world.condition("AccessRevoked").reason == "GaveUp"
    assert world.undo_records.stored == {}


async def test_an_object_that_somebody_spoilt_keeps_no_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is undone follows from the record; the object only says that it is."""
    await give_up_access(world, monkeypatch)
    ended, (worker,) = world.sessions.stored[KEY], world.azure.workers.values()
    somebodys = seen(worker, vm_id=ArmId(f"{worker.vm_id}-of-somebody"))
    world.azure.workers[folded(somebodys.vm_id)] = somebodys  # without a tag that proves it ours
    names = replace(worker_of(ended), vm_id=somebodys.vm_id, abandoned=True)
    said = Statement("WorkerReleased", "False", "GaveUp")
    now = world.clock.now()
    conditions = with_condition(ended.status.conditions, said, now=now, generation=1)
    status = replace(ended.status, worker=names, conditions=conditions)
    world.sessions.put(replace(ended, status=status))

    await look_until_settled(world)

    assert world.condition("AccessRevoked").status == "True"
    assert world.condition("WorkerReleased").reason == "GaveUp"
    assert world.azure.workers[folded(somebodys.vm_id)] == somebodys
    assert world.undo_records.stored == {}


async def test_one_record_that_cannot_be_undone_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("ExportGranted")
    take_away(world)
    (record,) = world.undo_records.stored.values()
    spoilt = record.run_id.replace(record.run_id[0], "f" if record.run_id[0] != "f" else "0")
    broken = type(record)(**{
        **{name: getattr(record, name) for name in record.__struct_fields__}, "run_id": spoilt
    })  # fmt: skip
    world.undo_records.stored = {broken.run_id: broken, **world.undo_records.stored}
    revoke = world.ground.snapshots.revoke

    async def refuse_one(snapshot: ArmId) -> bool:
        if spoilt[:20] in snapshot:
            raise TransientError("ending access: 503")
        return await revoke(snapshot)

    monkeypatch.setattr(world.ground.snapshots, "revoke", refuse_one)

    await look_until_settled(world)

    assert world.azure.sas == {}
    assert list(world.undo_records.stored) == [spoilt]


async def again_in_s(left: LeftBehind) -> float:
    """Look, and return how soon the next look is."""
    outcome = await left.reconcile()
    assert isinstance(outcome, Waiting)
    return outcome.seconds


async def test_where_there_is_no_record_the_next_look_is_a_day_away(world: World) -> None:
    left = LeftBehind(world.ground, UNDO)
    assert await again_in_s(left) == DAY_S

    await world.run_until("SnapshotsReady")
    with_record = await again_in_s(left)
    await world.run()

    assert with_record <= 300
    assert await again_in_s(left) == DAY_S


async def test_a_record_that_azure_lets_nobody_undo_is_looked_at_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("ExportGranted")
    take_away(world)

    async def refused(_snapshot: ArmId) -> bool:
        raise TransientError("ending access: 503")

    monkeypatch.setattr(world.ground.snapshots, "revoke", refused)

    assert await again_in_s(LeftBehind(world.ground, UNDO)) <= 300


async def test_a_session_that_goes_without_being_undone_has_its_record_looked_at(
    world: World,
) -> None:
    await world.run_until("ExportGranted")
    stirs = world.stirs

    take_away(world)

    assert world.stirs > stirs


async def test_one_that_is_given_up_has_its_record_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its object has an outcome by then, and is watched no more: our own write has to tell."""
    await world.run_until("ExportGranted")

    async def refused(_snapshot: ArmId) -> bool:
        raise TransientError("ending access: 503")

    monkeypatch.setattr(world.ground.snapshots, "revoke", refused)
    world.sessions.request_deletion(KEY)
    while KEY in world.sessions.stored:
        stirs = world.stirs
        with contextlib.suppress(TransientError):
            await world.look()
        world.clock.turn(60)

    assert world.undo_records.stored
    assert world.stirs > stirs
