"""What keeps the intake from hearing or from writing, and what that must not bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.worlds.memory_world import World
from tests.worlds.other_worker import OTHER, say, transferring_world, two_at_work
from tests.worlds.samples import KEY, session_of
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.protocol import Failed, Heartbeat, Progress
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions import ear
from vmbackup_operator.sessions.findings import backup_job
from vmbackup_operator.sessions.seen import Account, Received


def progress(world: World, read: int = 500) -> Progress:
    return Progress(backup_job(world.sessions.stored[KEY]), 1, 1000, read, 250)


def shown(world: World) -> int:
    found = world.status().progress
    return 0 if found is None else found.bytes_read


@pytest.fixture
async def transferring() -> World:
    """A world whose session waits for its worker, which is silent but for what tests say."""
    return await transferring_world()


async def test_a_status_that_cannot_be_written_now_is_written_later(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    write, writes = world.sessions.write_status, 0

    async def unreached(_session: BackupSession) -> BackupSession:
        nonlocal writes
        writes += 1
        raise TransientError("the API server has a bad hour")

    monkeypatch.setattr(world.sessions, "write_status", unreached)
    job = backup_job(world.sessions.stored[KEY])
    say(world, Failed(job, 1, "TransferInterrupted", "no way", transient=True), 100)
    for _ in range(600):
        world.clock.turn(6)
        await world.intake.round()
    assert writes > 100
    assert world.intake.refused == {}

    monkeypatch.setattr(world.sessions, "write_status", write)
    world.clock.turn(ear.PROGRESS_EVERY_S)
    await world.intake.round()

    worker = world.status().worker
    assert worker is not None
    assert worker.failure is not None
    assert world.events_left() == []


async def test_a_message_whose_effect_the_cluster_refuses_is_refused_and_the_others_count(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    write = world.sessions.write_status

    async def as_a_schema(session: BackupSession) -> BackupSession:
        if session.status.progress is not None and session.status.progress.bytes_read == 666:
            raise PermanentError("the schema says no", reason="RefusedByCluster")
        return await write(session)

    monkeypatch.setattr(world.sessions, "write_status", as_a_schema)
    job = backup_job(world.sessions.stored[KEY])
    say(world, progress(world, 666), 100)
    say(world, Failed(job, 1, "TransferInterrupted", "no way", transient=True), 101)

    await world.intake.round()

    worker = world.status().worker
    assert worker is not None
    assert worker.failure is not None
    assert world.intake.refused == {"RefusedByCluster": 1}
    assert world.events_left() == []


async def test_a_right_that_is_missing_is_not_the_messages_fault(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring

    async def forbidden(_session: BackupSession) -> BackupSession:
        raise PermanentError("cannot patch backupsessions/status", reason="NotAuthorized")

    monkeypatch.setattr(world.sessions, "write_status", forbidden)
    job = backup_job(world.sessions.stored[KEY])
    say(world, Failed(job, 1, "AccessRefused", "no SAS", transient=True), 100)
    await world.intake.round()
    monkeypatch.undo()
    world.clock.turn(ear.PROGRESS_EVERY_S)
    await world.intake.round()

    worker = world.status().worker
    assert worker is not None
    assert worker.failure is not None
    assert world.intake.refused == {}


async def test_a_queue_that_nobody_reached_makes_no_worker_silent(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    first, take = world.status().worker, world.queues.take

    async def unreached(*_asked: object) -> Sequence[Received]:
        raise TransientError("the storage service has a bad hour")

    monkeypatch.setattr(world.queues, "take", unreached)
    for _ in range(100):
        world.clock.turn(30)
        await world.intake.round()
        await world.look()
    monkeypatch.setattr(world.queues, "take", take)
    world.clock.turn(30)
    await world.intake.round()
    await world.look()
    now = world.status().worker
    assert first is not None
    assert now is not None
    assert (now.id, world.status().attempt) == (first.id, 1)

    world.clock.turn(world.pacing.worker_timeout_s + 1)
    await world.intake.round()
    await world.look()

    assert world.status().errors[-1].reason == "WorkerLost"


async def test_resource_manager_out_of_reach_keeps_nobody_from_being_heard(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring

    async def unreached(*_asked: object) -> object:
        raise TransientError("Resource Manager has a bad hour")

    monkeypatch.setattr(world.ground.regions, "ensure", unreached)
    world.clock.turn(3600)
    say(world, progress(world), 100)

    await world.intake.round()

    assert shown(world) == 500


async def test_who_floods_its_queue_neither_fills_memory_nor_keeps_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await two_at_work()
    takes = 0
    take, flooded = world.queues.take, world.events_queue()

    async def flood(account: Account, queue: str, lease_s: int) -> Sequence[Received]:
        nonlocal takes
        if queue != flooded:
            return await take(account, queue, lease_s)
        takes += 1
        return [Received("nonsense", str(takes), "", 1)] * 32

    monkeypatch.setattr(world.queues, "take", flood)
    job = backup_job(world.sessions.stored[OTHER])
    say(world, Progress(job, 1, 1000, 500, 250), 100, key=OTHER)

    await world.intake.round()

    assert takes == ear.MOST_TAKES
    other = world.status(OTHER).progress
    assert other is not None
    assert other.bytes_read == 500


async def test_a_queue_that_hangs_keeps_no_other_worker_from_being_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await two_at_work()
    take, hanging, heard = world.queues.take, world.events_queue(), asyncio.Event()

    async def hang(account: Account, queue: str, lease_s: int) -> Sequence[Received]:
        if queue == hanging:
            await asyncio.Event().wait()
        heard.set()
        return await take(account, queue, lease_s)

    monkeypatch.setattr(world.queues, "take", hang)
    say(
        world, Progress(backup_job(world.sessions.stored[OTHER]), 1, 1000, 500, 250), 100, key=OTHER
    )
    running = asyncio.create_task(world.intake.run())
    try:
        await asyncio.wait_for(heard.wait(), 60)
        for _ in range(100):
            await asyncio.sleep(0)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    other = world.status(OTHER).progress
    assert other is not None
    assert other.bytes_read == 500


async def test_a_deleted_session_is_heard_no_more(transferring: World) -> None:
    world = transferring
    worker = world.status().worker
    assert worker is not None
    assert worker.launch is not None
    del world.sessions.stored[KEY]
    world.clock.turn(ear.LOOK_UP_S + 1)

    await world.intake.round()

    assert world.intake.heard_workers == frozenset()


async def test_heartbeats_alone_are_read_from_the_cluster_once(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    find, finds = world.sessions.find, 0
    worker = world.status().worker
    assert worker is not None
    assert worker.launch is not None

    async def counted(key: object) -> BackupSession | None:
        nonlocal finds
        finds += 1
        return await find(key)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(world.sessions, "find", counted)
    for number in range(18):
        beat = Heartbeat(worker.id, worker.launch, "0.1", "0" * 16, "3.10.12", world.clock.now())
        say(world, beat, 100 + number, "")
        await world.intake.round()
        world.clock.turn(15)

    assert finds <= 1


async def test_a_reused_worker_that_was_idle_for_long_is_given_its_time_to_speak(
    world: World,
) -> None:
    await world.run()
    vm = next(iter(world.azure.workers.values())).vm_id
    world.silent_workers.add(vm)
    for _ in range(60):  # twenty minutes in which the operator listens
        world.clock.turn(20)
        await world.intake.round()
    world.sessions.put(session_of(OTHER))
    while not (world.azure.commands and world.status(OTHER).worker):
        await world.look(OTHER)
        await world.intake.round()
        world.clock.turn(5)
    await world.look(OTHER)
    assert (world.status(OTHER).attempt, world.status(OTHER).errors) == (1, ())

    while world.status(OTHER).attempt == 1:
        await world.look(OTHER)
        await world.intake.round()
        world.clock.turn(20)

    launched = world.status(OTHER).worker
    assert launched is not None
    assert launched.launched_at is not None
    waited_s = (world.clock.now() - launched.launched_at).total_seconds()
    assert waited_s >= world.pacing.launch_timeout_s
    assert world.status(OTHER).errors[-1].reason == "WorkerSilent"
