"""What a worker says that is wrong, or twice: refused or counted once, and nobody else is hurt."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.worlds.memory_world import World
from tests.worlds.other_worker import say, transferring_world
from tests.worlds.samples import KEY
from vmbackup_core.protocol import Done, Failed, Header, Hello, Progress
from vmbackup_core.protocol.messages import ResultsBlob
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions import ear
from vmbackup_operator.sessions.findings import backup_job
from vmbackup_operator.sessions.hearing import applied_by, heard


def progress(world: World, read: int = 500) -> Progress:
    return Progress(backup_job(world.sessions.stored[KEY]), 1, 1000, read, 250)


def shown(world: World) -> int:
    found = world.status().progress
    return 0 if found is None else found.bytes_read


@pytest.fixture
async def transferring() -> World:
    """A world whose session waits for its worker, which is silent but for what tests say."""
    return await transferring_world()


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param(b'{"kind":"hello","x":' + b"[" * 1_200 + b"]" * 1_200 + b"}", "BadMessage",
                     id="nested 1,200 deep"),
        pytest.param(b'{"kind":"failed","message":"\xff"}', "BadMessage", id="no UTF-8"),
        pytest.param(b'{"kind":"progress","jobId":"JOB","answers":1,"bytesToRead":1,"bytesRead":1'
                     + b"0" * 30 + b',"bytesStored":0}', "BadMessage", id="10^30 bytes"),
        pytest.param(b'{"kind":"unheard-of"}', "UnknownKind", id="unknown kind"),
        pytest.param(b'{"kind":"failed","jobId":"JOB","answers":1,"reason":"Cancelled",'
                     b'"message":"","transient":false}', "BadMessage", id="an outcome as a reason"),
    ],
)  # fmt: skip
async def test_a_hostile_message_is_refused_and_what_comes_behind_it_counts(
    transferring: World, payload: bytes, why: str
) -> None:
    world = transferring
    job = backup_job(world.sessions.stored[KEY])
    say(world, payload.replace(b"JOB", job.encode()), 100)
    say(world, progress(world), 101)

    await world.intake.round()

    assert world.intake.refused == {why: 1}
    assert shown(world) == 500


MANIFEST = f"c/{'a' * 32}/m/00000/001/{'b' * 32}"


@pytest.mark.parametrize(
    ("manifest", "digest", "read"),
    [
        ("../header", "d" * 64, 1),
        (f"{MANIFEST}\\n", "d" * 64, 1),
        (MANIFEST * 40, "d" * 64, 1),
        (MANIFEST, "D" * 64, 1),
        (MANIFEST, "d" * 63, 1),
        (MANIFEST, "d" * 64, -5),
        (MANIFEST, "d" * 64, 2**70),
    ],
)
async def test_an_end_that_no_status_could_hold_is_no_end(
    transferring: World, manifest: str, digest: str, read: int
) -> None:
    world = transferring

    say(world, ended(world, manifest, digest, read), 100)
    await world.intake.round()

    assert world.status().disks == ()
    assert world.intake.refused == {"BadMessage": 1}
    assert world.events_left() == []


async def test_an_end_without_a_result_is_refused_and_what_comes_behind_it_counts(
    transferring: World,
) -> None:
    world = transferring
    job = backup_job(world.sessions.stored[KEY])
    elsewhere = ResultsBlob(f"results/{'a' * 32}", 5, "d" * 64)
    say(world, Done(job, 1, results_blob=elsewhere), 100)
    say(world, progress(world), 101)

    await world.intake.round()

    assert world.intake.refused == {"BadMessage": 1}
    assert shown(world) == 500


async def test_an_end_that_a_status_can_hold_is_the_workers_word(transferring: World) -> None:
    world = transferring

    say(world, ended(world, MANIFEST, "d" * 64, 1), 100)
    await world.intake.round()

    (first, *_) = world.status().disks
    assert (first.manifest, first.manifest_sha256, first.slot) == (MANIFEST, "d" * 64, None)
    assert world.intake.refused == {}


async def test_a_word_that_is_not_true_is_committed_by_nobody(transferring: World) -> None:
    world = transferring
    world.silent_workers |= {each.vm_id for each in world.azure.workers.values()}

    say(world, ended(world, MANIFEST, "d" * 64, 1), 100)
    await world.intake.round()
    while world.status().attempt == 1:
        await world.look()

    assert world.status().errors[0].reason == "ManifestDiffers"
    assert world.points.commits == {}
    assert world.status().disks == ()


def ended(world: World, manifest: str, digest: str, read: int) -> bytes:
    """Return the end of the session's job, as it says of each of its disks."""
    session = world.sessions.stored[KEY]
    job, resolved = backup_job(session), session.status.resolved
    assert resolved is not None
    lines = ",".join(
        f'{{"diskId":"{each.id}","manifest":"{manifest}","manifestSha256":"{digest}",'
        f'"statistics":{{"readBytes":{read},"newBlocks":1,"reusedBlocks":1,"deltaBlocks":0,'
        '"zeroBlocks":1},"changedOutside":0,"allocatedBytes":1,"seconds":1}'
        for each in resolved.disks
    )
    result = f'{{"kind":"backup","disks":[{lines}]}}'
    return f'{{"kind":"done","jobId":"{job}","answers":1,"result":{result}}}'.encode()


async def test_a_bug_that_one_message_meets_refuses_that_message(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring

    def stumble(session: BackupSession, events: list[tuple[object, object]], now: object) -> object:
        if any(isinstance(event, Done) for _, event in events):
            raise ZeroDivisionError
        return heard(session, events, now)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr("vmbackup_operator.sessions.ear.heard", stumble)
    job = backup_job(world.sessions.stored[KEY])
    result = b'{"kind":"backup","disks":[]}'
    say(world, b'{"kind":"done","jobId":"%s","answers":1,"result":%s}' % (job.encode(), result), 99)
    say(world, progress(world), 100)

    await world.intake.round()

    assert world.intake.refused == {"ZeroDivisionError": 1}
    assert shown(world) == 500


async def test_a_message_that_was_received_too_often_is_refused(transferring: World) -> None:
    world = transferring
    job = backup_job(world.sessions.stored[KEY])
    say(world, Failed(job, 1, "TransferInterrupted", "no", transient=True), 100)
    for _ in range(ear.DEQUEUES):  # each one the last thing that an operator did
        world.queues.taken.clear()
        await world.queues.take(*world.place_of_events(), ear.LEASE_S)
    world.queues.taken.clear()

    await world.intake.round()

    assert world.intake.refused == {"SeenTooOften": 1}
    assert world.events_left() == []


async def test_a_hello_of_another_launch_proves_nothing(transferring: World) -> None:
    world = transferring
    worker = world.status().worker
    assert worker is not None
    before = worker.last_heartbeat_time
    world.clock.turn(120)
    other = "f" * 32
    say(world, Hello(worker.id, other, "0.1", "0" * 16, "3.10.12", world.clock.now()), 100, "")  # type: ignore[arg-type]  # no launch's

    await world.intake.round()

    assert world.intake.refused == {"OtherLaunch": 1}
    after = world.status().worker
    assert after is not None
    assert after.last_heartbeat_time == before


async def test_a_failure_that_is_told_twice_costs_one_attempt(transferring: World) -> None:
    world = transferring
    job = backup_job(world.sessions.stored[KEY])
    failed = Failed(job, 1, "TransferInterrupted", "no way", transient=True)
    say(world, failed, 100)
    await world.intake.round()
    say(world, failed, 101)
    await world.intake.round()
    await world.look()
    assert world.status().attempt == 2

    world.silent_workers.clear()
    await world.run()

    assert (world.status().outcome, world.status().attempt) == ("Succeeded", 2)
    assert len(world.status().errors) == 1


async def test_a_failure_of_a_worker_that_keeps_its_job_counts_once(transferring: World) -> None:
    world = transferring
    session = world.sessions.stored[KEY]
    worker, job = session.status.worker, backup_job(session)
    assert worker is not None
    failed = Failed(job, 1, "TransferInterrupted", "no way", transient=True)
    first = heard(session, [(Header("event", worker.id, job, 7), failed)], world.clock.now())
    assert first.worker is not None
    assert first.worker.failure is not None
    judged = replace(first, worker=replace(first.worker, failure=None))

    again = replace(session, status=judged)
    second = heard(again, [(Header("event", worker.id, job, 8), failed)], world.clock.now())

    assert second.worker is not None
    assert second.worker.failure is None
    assert applied_by(second.worker, job).next_to_send == 2


async def test_the_queues_of_a_worker_that_was_given_back_go_before_it_is_launched_again(
    transferring: World,
) -> None:
    world = transferring
    before = world.events_queue()
    job = backup_job(world.sessions.stored[KEY])
    say(world, Failed(job, 1, "TransferInterrupted", "no way", transient=True), 100)
    await world.intake.round()
    await world.look()
    assert world.status().worker is None

    world.silent_workers.clear()
    await world.run_until("WorkerReady")

    assert world.events_queue() != before
    assert {queue for _, queue in world.azure.queues if "events" in queue} == {world.events_queue()}
    await world.run()
    assert world.azure.queues == {}


async def test_a_failure_that_a_newer_message_of_the_job_has_overtaken_does_not_count(
    transferring: World,
) -> None:
    world = transferring
    world.clock.turn(2800)  # its credentials are worn: the job is sent again
    await world.look()
    worker = world.status().worker
    assert worker is not None
    assert worker.job_sequence == 2
    job = backup_job(world.sessions.stored[KEY])
    say(world, Failed(job, 1, "AccessRefused", "no fresh SAS came", transient=True), 100)

    await world.intake.round()
    await world.look()

    assert world.status().attempt == 1
