"""What keeps the intake from hearing or from writing, and what that must not bring about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.sessions.memory_world import KEY, RING, World, session_of
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import WorkerId
from vmbackup_core.protocol import (
    NO_JOB,
    Header,
    Heartbeat,
    Progress,
    seal,
    worker_key,
    write_message,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.sessions import intake
from vmbackup_operator.sessions.findings import backup_job
from vmbackup_operator.sessions.seen import Account, Received


@pytest.fixture
async def transferring() -> World:
    """A world whose session waits for its worker, which is silent but for what tests say."""
    world = World()
    world.sessions.put(session_of())
    await world.run_until("ExportGranted")
    world.silent_workers.add(worker(world).vm_id)
    while worker(world).job_sequence == 0:
        await world.look()
        await world.intake.round()
    return world


def worker(world: World) -> SessionWorker:
    found = world.status().worker
    assert found is not None
    return found


def beat(world: World, name: WorkerId, sequence: int) -> None:
    event = Heartbeat(name, "0.1", "0123456789abcdef", "3.10.12", world.clock.now())
    header = Header("event", name, NO_JOB, sequence)
    world.say_text(seal(worker_key(RING.active.secret, name), header, write_message(event)))


def progress(world: World, sequence: int) -> None:
    name, job = worker(world).id, backup_job(world.sessions.stored[KEY])
    header = Header("event", name, job, sequence)
    event = Progress(job, 1000, 500, 250)
    world.say_text(seal(worker_key(RING.active.secret, name), header, write_message(event)))


async def test_a_status_that_is_refused_keeps_no_other_worker_from_being_heard(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    progress(world, 100)
    beat(world, WorkerId("0123456789abcdef0123-1"), 1)
    write = world.sessions.write_status
    writes = 0

    async def refused(_session: BackupSession) -> BackupSession:
        nonlocal writes
        writes += 1
        raise PermanentError("the schema says no", reason="RefusedByCluster")

    monkeypatch.setattr(world.sessions, "write_status", refused)
    for _ in range(5):
        await world.intake.round()
        world.clock.turn(1)
    assert world.intake.refused == {"NoSession": 1}
    assert writes == 1

    monkeypatch.setattr(world.sessions, "write_status", write)
    world.clock.turn(intake.PROGRESS_EVERY_S)
    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.bytes_read == 500
    assert world.events_left() == []


async def test_a_queue_that_nobody_reached_makes_no_worker_silent(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    first, take = worker(world), world.queues.take

    async def unreached(*_asked: object) -> Sequence[Received]:
        raise TransientError("the storage service has a bad hour")

    monkeypatch.setattr(world.queues, "take", unreached)
    for _ in range(120):
        world.clock.turn(30)
        with pytest.raises(TransientError):
            await world.intake.round()
        await world.look()
    monkeypatch.setattr(world.queues, "take", take)
    await world.intake.round()
    await world.look()
    assert (worker(world).id, world.status().attempt) == (first.id, 1)

    world.clock.turn(world.pacing.worker_timeout_s + 1)
    await world.intake.round()
    await world.look()

    assert world.status().errors[-1].reason == "WorkerLost"


async def test_who_floods_the_queue_does_not_keep_the_round_from_its_end(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    takes = 0

    async def flooded(*_asked: object) -> Sequence[Received]:
        nonlocal takes
        takes += 1
        return [Received("nonsense", str(takes), "", 1)]

    monkeypatch.setattr(world.queues, "take", flooded)
    progress(world, 100)

    await world.intake.round()

    assert takes == intake.MOST_TAKES


async def test_the_queue_is_asked_for_once_and_again_only_where_it_has_gone(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    asked = []
    ensure, take = world.queues.ensure, world.queues.take

    async def counted(account: Account, queue: str) -> bool:
        asked.append(queue)
        return await ensure(account, queue)

    async def found(account: Account, queue: str, lease_s: int) -> Sequence[Received]:
        if (account.id, queue) not in world.azure.queues:
            raise PermanentError(f"queue {queue} is not there", reason="NotFound")
        return await take(account, queue, lease_s)

    monkeypatch.setattr(world.queues, "ensure", counted)
    monkeypatch.setattr(world.queues, "take", found)
    await world.intake.round()
    await world.intake.round()
    before = list(asked)
    world.azure.queues.clear()
    with pytest.raises(PermanentError):
        await world.intake.round()
    await world.intake.round()

    assert before == []
    assert len(asked) == 1
