"""What workers say: sorted from what others say, applied once, not written more than needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import HOME, account
from tests.worlds.memory_world import Killed, World
from tests.worlds.samples import KEY, RING, session_of
from vmbackup_core.ids import JobId, LaunchNonce
from vmbackup_core.protocol import (
    NO_JOB,
    Event,
    Failed,
    Header,
    Heartbeat,
    Hello,
    LaunchKey,
    Passing,
    Progress,
    seal,
    write_message,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.sessions.findings import backup_job
from vmbackup_operator.sessions.seen import Account, Received

T = TypeVar("T")


@pytest.fixture
async def transferring() -> World:
    """A world whose session waits for its worker, which is silent but for what tests say."""
    world = World()
    world.sessions.put(session_of())
    await world.run_until("ExportGranted")
    await world.intake.round()
    world.silent_workers.add(worker(world).vm_id)
    world.clock.turn(60)
    return world


def worker(world: World) -> SessionWorker:
    found = world.status().worker
    assert found is not None
    return found


def launch(world: World) -> LaunchNonce:
    found = worker(world).launch
    assert found is not None
    return found


def job(world: World) -> JobId:
    return backup_job(world.sessions.stored[KEY])


def say(
    world: World,
    event: Event,
    sequence: int,
    *,
    about: JobId | None = None,
    key: LaunchKey | None = None,
    direction: str = "event",
) -> None:
    name = worker(world).id
    header = Header(direction, name, about or job(world), sequence)  # type: ignore[arg-type]  # also wrong ones
    sealing = key or world.launch_key()
    text = seal(sealing, header, write_message(event))
    world.say_text(text, passing=isinstance(event, Passing))


def progress(world: World, read: int) -> Progress:
    return Progress(job(world), 1, 1000, read, read // 2)


def queue_of(world: World) -> list[str]:
    """Return what is in the queue once all that passes has expired."""
    world.clock.turn(61)
    messages = world.azure.queues[account(HOME).id, world.events_queue()]
    now, expires = world.clock.now(), world.queues.expires
    return [each.text for each in messages if expires.get(each.message_id, now) >= now]


def count_calls(world: World) -> Counter[str]:
    """Count what is asked of queues and of the API server from here on."""
    calls: Counter[str] = Counter()

    def counted(name: str, real: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def call(*given: object) -> T:
            calls[name] += 1
            return await real(*given)

        return call

    for name in ("take", "remove"):
        setattr(world.queues, name, counted(name, getattr(world.queues, name)))
    for name in ("find", "write_status"):
        setattr(world.sessions, name, counted(name, getattr(world.sessions, name)))
    return calls


async def test_progress_reaches_the_status_at_once_and_wakes_nobody(
    transferring: World,
) -> None:
    world = transferring
    world.woken.clear()
    say(world, progress(world, 250), 100)

    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert (shown.percent, shown.bytes_read, shown.bytes_stored) == (25, 250, 125)
    assert world.woken == []  # nothing is to be done about it
    assert queue_of(world) == []


async def test_progress_costs_one_look_at_the_queue_and_one_write(transferring: World) -> None:
    world = transferring
    await world.look()
    calls = count_calls(world)
    say(world, progress(world, 250), 100)

    await world.intake.round()

    assert calls == {"take": 1, "write_status": 1}


async def test_progress_of_a_session_that_was_written_since_is_applied_to_what_it_is(
    transferring: World,
) -> None:
    world = transferring
    unseen, world.sessions.watched = world.sessions.watched, lambda _session: None
    world.sessions.edit_spec(KEY, cancel=True)  # by a user, and the watch is late
    world.sessions.watched = unseen
    say(world, progress(world, 250), 100)

    await world.intake.round()
    assert world.status().progress is None
    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.bytes_read == 250
    assert world.sessions.stored[KEY].spec.cancel


@pytest.mark.parametrize(
    ("to_read", "read", "percent"),
    [(0, 0, 0), (1000, 1000, 99)],
    ids=["nothing is known yet", "not all disks are known yet"],
)
async def test_a_job_that_has_not_ended_is_never_at_100_percent(
    transferring: World, to_read: int, read: int, percent: int
) -> None:
    world = transferring
    say(world, Progress(job(world), 1, to_read, read, 0), 100)

    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.percent == percent


async def test_progress_is_written_at_most_every_ten_seconds_and_the_newest_wins(
    transferring: World,
) -> None:
    world = transferring
    say(world, progress(world, 10), 100)
    await world.intake.round()
    writes = world.sessions.writes

    for number in range(5):
        world.clock.turn(1.5)
        say(world, progress(world, 20 + number), 101 + number)
        await world.intake.round()
    assert world.sessions.writes == writes
    world.clock.turn(5)
    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.bytes_read == 24
    assert world.sessions.writes == writes + 1
    assert queue_of(world) == []


async def test_an_event_that_comes_again_changes_nothing_and_is_removed(
    transferring: World,
) -> None:
    world = transferring
    say(world, progress(world, 500), 100)
    await world.intake.round()
    writes = world.sessions.writes
    world.clock.turn(60)
    say(world, progress(world, 400), 99)
    say(world, progress(world, 500), 100)

    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert (shown.bytes_read, world.sessions.writes) == (500, writes)
    assert queue_of(world) == []


async def test_events_are_applied_in_the_order_in_which_they_were_said(
    transferring: World,
) -> None:
    world = transferring
    say(world, progress(world, 900), 102)
    say(world, progress(world, 100), 100)
    say(world, progress(world, 500), 101)

    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.bytes_read == 900


@pytest.mark.parametrize("moment", ["after the status", "before removing a message"])
async def test_killed_between_the_write_and_the_removal_the_event_counts_once(
    transferring: World, moment: str
) -> None:
    world = transferring
    failed = Failed(job(world), 1, "TransferInterrupted", "no way", transient=True)
    say(world, failed, 100)

    def meet(what: str) -> None:
        if what == moment:
            raise Killed

    world.meets(meet)
    with pytest.raises(Killed):
        await world.intake.round()
    world.meets(lambda _what: None)
    world.start()
    writes = world.sessions.writes
    world.intake.listen(world.sessions.stored[KEY])
    await world.intake.round()

    assert world.sessions.writes == writes
    assert queue_of(world) == []


async def test_a_foreign_key_is_refused_and_counted(transferring: World) -> None:
    world = transferring
    before = world.status()
    say(world, progress(world, 999), 500, key=LaunchKey(bytes([7]) * 32))

    await world.intake.round()

    assert world.intake.refused == {"ForeignKey": 1}
    assert (world.status(), queue_of(world)) == (before, [])


async def test_an_altered_message_is_refused_and_counted(transferring: World) -> None:
    world = transferring
    say(world, progress(world, 999), 500)
    ((place, queue),) = [
        (place, queue) for place, queue in world.azure.queues.items() if "events" in place[1]
    ]
    text = queue.pop().text.replace('"seq":500', '"seq":501')
    world.say_text(text)

    await world.intake.round()

    assert world.intake.refused == {"Altered": 1}
    assert world.azure.queues[place] == []


async def test_a_job_sent_back_is_refused(transferring: World) -> None:
    world = transferring
    say(world, progress(world, 1), 500, direction="job")

    await world.intake.round()

    assert world.intake.refused == {"WrongDirection": 1}


async def test_what_is_no_message_is_refused(transferring: World) -> None:
    world = transferring
    world.say_text("hello there")

    await world.intake.round()

    assert world.intake.refused == {"Malformed": 1}
    assert queue_of(world) == []


async def test_a_worker_that_serves_nobody_is_heard_by_nobody(transferring: World) -> None:
    world = transferring
    assert world.intake.heard_workers == {worker(world).id}
    session = world.sessions.stored[KEY]
    world.sessions.put(replace(session, status=replace(session.status, worker=None)))
    queue = worker_queue(session)
    say_to(world, session, queue)

    await world.intake.round()

    assert world.intake.refused == {"NoSession": 1}
    assert world.intake.heard_workers == frozenset()


def worker_queue(session: BackupSession) -> str:
    assert session.status.worker is not None
    return session.status.worker.events_queue


def say_to(world: World, session: BackupSession, queue: str) -> None:
    found = session.status.worker
    assert found is not None
    assert found.launch is not None
    key = RING.launch_key(found.key_id, found.id, found.launch)
    assert key is not None
    hello = Hello(found.id, found.launch, "0.1", "0123456789abcdef", "3.10.12", world.clock.now())
    header = Header("event", found.id, NO_JOB, 900)
    world.say_text(seal(key, header, write_message(hello)), queue)


async def test_events_of_an_earlier_job_of_the_worker_change_nothing(
    transferring: World,
) -> None:
    world = transferring
    before = world.status()
    other = JobId(f"{'f' * 32}-backup")
    say(world, Progress(other, 1, 1000, 1000, 1), 700, about=other)

    await world.intake.round()

    assert (world.status(), queue_of(world)) == (before, [])


async def test_heartbeats_are_written_once_a_minute_at_most(transferring: World) -> None:
    world = transferring
    writes = world.sessions.writes
    name = worker(world).id
    for number in range(8):
        world.clock.turn(15)
        beat = Heartbeat(
            name, launch(world), "0.1", "0123456789abcdef", "3.10.12", world.clock.now()
        )
        say(world, beat, 500 + number, about=NO_JOB)
        await world.intake.round()

    assert world.sessions.writes - writes == 2
    assert queue_of(world) == []


async def test_a_jobs_first_progress_is_shown_however_lately_a_heartbeat_was_written(
    transferring: World,
) -> None:
    world = transferring
    name = worker(world).id
    beat = Heartbeat(name, launch(world), "0.1", "0123456789abcdef", "3.10.12", world.clock.now())
    say(world, beat, 500, about=NO_JOB)
    await world.intake.round()
    world.clock.turn(2)
    say(world, progress(world, 100), 501)

    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.bytes_read == 100


async def test_a_bug_that_one_queue_meets_does_not_end_the_hearing(
    transferring: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = transferring
    take, takes = world.queues.take, 0

    async def take_with_a_bug(account: Account, queue: str, lease_s: int) -> Sequence[Received]:
        nonlocal takes
        takes += 1
        if takes == 1:
            raise ZeroDivisionError
        return await take(account, queue, lease_s)

    monkeypatch.setattr(world.queues, "take", take_with_a_bug)
    say(world, progress(world, 250), 100)
    await world.intake.round()
    world.clock.turn(30)
    await world.intake.round()

    shown = world.status().progress
    assert shown is not None
    assert shown.bytes_read == 250
