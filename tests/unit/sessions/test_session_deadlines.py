"""Nothing goes on for ever: every wait of a session ends, counted from times in its status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.protocol import BackupJob, Failed
from vmbackup_operator.model.metadata import RETRY_ANNOTATION
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import SnapshotWanted, WorkerSeen, WorkerWanted

Revoke = Callable[[ArmId], Awaitable[bool]]


async def look_for(world: World, length: timedelta, *, every_s: float = 60) -> None:
    """Look at the session as the work queue would, for *length* or to its end."""
    for _ in range(int(length.total_seconds() / every_s)):
        if KEY not in world.sessions.stored:
            return
        try:
            if await world.look() is None:
                return
        except TransientError:
            pass
        world.clock.turn(every_s)


def meets_a_conflict() -> Revoke:
    async def revoke(_snapshot: ArmId) -> bool:
        raise TransientError("ending access to snapshot x: Conflict: still at it")

    return revoke


def waits_and_meets_errors_in_turn() -> Revoke:
    count = 0

    async def revoke(_snapshot: ArmId) -> bool:
        nonlocal count
        count += 1
        if count // 30 % 2:
            raise TransientError("ending access to snapshot x: 503")
        return False

    return revoke


def is_refused() -> Revoke:
    async def revoke(_snapshot: ArmId) -> bool:
        raise PermanentError("ending access: AuthorizationFailed", reason="NotAuthorized")

    return revoke


@pytest.mark.parametrize("revoke", [meets_a_conflict, waits_and_meets_errors_in_turn, is_refused])
async def test_a_last_step_is_given_up_whatever_it_meets(
    world: World, monkeypatch: pytest.MonkeyPatch, revoke: Callable[[], Revoke]
) -> None:
    await world.run_until("RecoveryPointStored")
    monkeypatch.setattr(world.ground.snapshots, "revoke", revoke())

    await look_for(world, timedelta(hours=2), every_s=10)

    assert world.condition("AccessRevoked").reason == "GaveUp"
    assert world.status().outcome == "Succeeded"


async def test_a_finalizer_yields_though_the_operator_is_started_again_every_ten_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("ExportGranted")
    world.sessions.request_deletion(KEY)

    for _ in range(6):
        world.start()
        monkeypatch.setattr(world.ground.snapshots, "revoke", is_refused())
        await look_for(world, timedelta(minutes=10))

    assert KEY not in world.sessions.stored


async def test_a_session_of_a_name_that_was_deleted_before_is_undone_like_any(world: World) -> None:
    await world.run_until("ExportGranted")
    world.sessions.request_deletion(KEY)
    await world.look()
    del world.sessions.stored[KEY]  # somebody took the finalizer off by hand
    world.azure.sas.clear()
    world.clock.turn(3600)
    world.sessions.put(session_of(KEY, uid="99999999-0000-4000-8000-000000000000"))
    await world.run_until("ExportGranted")
    world.sessions.request_deletion(KEY)

    await look_for(world, timedelta(minutes=10), every_s=5)

    assert KEY not in world.sessions.stored
    assert world.azure.sas == {}
    assert not [told for told in world.events.told if told[1] == "UndoGivenUp"]


async def test_a_worker_vm_that_azure_never_finishes_is_replaced_and_then_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("EnvironmentReady")

    async def never(wanted: WorkerWanted) -> WorkerSeen:
        return WorkerSeen(wanted.vm_id, wanted.id, "creating", None)

    monkeypatch.setattr(world.ground.workers, "ensure", never)
    await look_for(world, timedelta(hours=12), every_s=120)

    assert (world.status().outcome, world.status().attempt) == ("Failed", 4)
    assert world.condition("Failed").reason == "NoProgress"
    assert "is creating" in world.status().message


async def test_a_disk_that_is_refused_for_hours_makes_no_storm_of_snapshots(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.ground.snapshots.request

    async def refuse_one(wanted: SnapshotWanted) -> None:
        if wanted.id.endswith("-1"):
            raise TransientError("taking snapshot: Conflict: disk is being resized")
        await request(wanted)

    monkeypatch.setattr(world.ground.snapshots, "request", refuse_one)
    await look_for(world, timedelta(hours=6), every_s=30)

    asked = sum(count for what, count in world.azure.asked.items() if what.startswith("snapshot "))
    assert asked <= 8
    assert world.condition("Failed").reason == "SnapshotsTooFarApart"


async def test_heartbeats_without_progress_cost_the_worker_its_job_after_an_hour(
    world: World,
) -> None:
    await world.run_until("ExportGranted")
    world.behaviour = lambda job: Failed(
        job.job_id, 1, "TransferInterrupted", "never said", transient=True
    )
    while not world.status().worker or world.status().worker.job_sequence == 0:  # type: ignore[union-attr]  # checked before
        await world.look()
    first = world.status().worker

    for _ in range(130):
        await world.look()
        for queue in world.azure.queues.values():
            queue.clear()  # the agent has the job, works at it, and gets nowhere
        world.agents_work()
        await world.intake.round()
        world.clock.turn(30)

    assert world.status().attempt == 2
    assert world.status().errors[0].reason == "NoProgress"
    assert world.status().worker != first


async def test_a_session_ends_by_its_active_deadline_and_cleans_up_behind_itself() -> None:
    world = World()
    world.sessions.put(session_of(active_deadline_seconds=1800))
    await world.run_until("ExportGranted")
    world.silent_workers.update(each.vm_id for each in world.azure.workers.values())
    world.clock.turn(1800)

    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Failed", 1)
    assert world.condition("Failed").reason == "DeadlineExceeded"
    assert "activeDeadlineSeconds" in world.status().message
    assert (world.azure.sas, world.azure.snapshots) == ({}, {})


async def test_no_deadline_takes_a_recovery_point_back() -> None:
    world = World()
    world.sessions.put(session_of(active_deadline_seconds=1800))
    await world.run_until("RecoveryPointStored")
    world.clock.turn(1800)

    await world.run()

    assert world.status().outcome == "Succeeded"


async def test_a_retry_time_of_a_clock_that_went_wrong_is_not_waited_for(world: World) -> None:
    await world.run_until("SnapshotsReady")
    session = world.sessions.stored[KEY]
    status = replace(session.status, attempt=2, retry_time=datetime(2030, 1, 1, tzinfo=UTC))
    world.sessions.put(replace(session, status=status))

    waits_s = await world.look()

    assert waits_s == 300


async def test_a_retry_that_is_asked_for_begins_at_once(world: World) -> None:
    failures = iter([True])

    def fails_once(job: BackupJob) -> Failed | None:
        if next(failures, False):
            return Failed(job.job_id, 1, "TransferInterrupted", "once", transient=True)
        return None

    world.behaviour = fails_once
    while world.status().attempt < 2:
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)
    waits_s = await world.look()
    session = world.sessions.stored[KEY]
    metadata = replace(session.metadata, annotations={RETRY_ANNOTATION: "now"})
    world.sessions.put(replace(session, metadata=metadata))

    await world.look()

    assert waits_s
    assert waits_s > 60
    assert await world.look() == 0
    assert (world.status().handled_retry, world.status().attempt) == ("now", 2)


async def test_between_two_attempts_a_session_keeps_no_worker_from_others(world: World) -> None:
    world.behaviour = lambda job: Failed(
        job.job_id, 1, "TransferInterrupted", "always", transient=True
    )
    while world.status().attempt < 2:
        await world.look()
        world.agents_work()
        await world.intake.round()
        world.clock.turn(5)

    assert world.status().worker is None
    assert [each.state for each in world.azure.workers.values()] == ["running"]


async def test_a_mistake_of_ours_is_seen_where_people_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("Accepted")

    async def mistaken(_wanted: SnapshotWanted) -> None:
        raise KeyError("tags")

    monkeypatch.setattr(world.ground.snapshots, "request", mistaken)
    waits_s = await world.look()

    said = world.condition("SnapshotsReady")
    assert (said.status, said.reason, waits_s) == ("Unknown", "InternalError", 300)
    assert "KeyError" in said.message
    assert world.events.told == [("Warning", "InternalError", said.message)]


async def test_a_key_that_is_spoilt_on_the_way_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.run_until("DataTransferred")
    commit = world.ground.points.commit

    async def spoilt(*_asked: object) -> None:
        raise PermanentError("key of Secret team/repo-key: no 64 digits", reason="InvalidKey")

    monkeypatch.setattr(world.ground.points, "commit", spoilt)
    await look_for(world, timedelta(minutes=20))
    said = world.condition("Committed")
    monkeypatch.setattr(world.ground.points, "commit", commit)
    await world.run()

    assert (said.reason, "team/repo-key" in said.message) == ("InvalidKey", True)
    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 1)
