"""How many workers one intake hears at once: every call takes as long as in a region."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import HOME, account
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, RING, session_of
from vmbackup_core.ids import LaunchNonce, WorkerId
from vmbackup_core.protocol import NO_JOB, Header, Hello, limits, seal, write_message
from vmbackup_core.protocol.limits import PASSING_EVENT_S, PROGRESS_S
from vmbackup_operator.cluster.leadership import Terms
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import events_queue
from vmbackup_operator.sessions.booked import SessionsOfAllKinds
from vmbackup_operator.sessions.ear import AT_ONCE, LEASE_S, PROGRESS_EVERY_S
from vmbackup_operator.sessions.intake import Intake, Surroundings
from vmbackup_operator.sessions.pace import AWAITED_S, MOST_PER_S, pause_s
from vmbackup_operator.sessions.seen import Account, Received

WORKERS = 400
CALL_S = 0.015
#: How many calls are under way at once, at least, where workers are heard side by side.
SIDE_BY_SIDE = 16

T = TypeVar("T")


class Counted:
    """Calls that take their time; counted by their names, and how many there are at once."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.most = self._under_way = 0

    def slow(self, name: str, real: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def call(*given: object) -> T:
            self.calls[name] += 1
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            await asyncio.sleep(CALL_S)
            self._under_way -= 1
            return await real(*given)

        return call


def launched(world: World, base: BackupSession, number: int) -> BackupSession:
    """Return one more session like *base*, with a worker that was launched just now."""
    worker_id, launch = WorkerId(f"{number:020x}-1"), LaunchNonce(f"{number:032x}")
    assert base.status.worker is not None
    queue = events_queue(worker_id, launch)
    worker = replace(
        base.status.worker,
        id=worker_id,
        launch=launch,
        events_queue=queue,
        launched_at=world.clock.now(),
        last_heartbeat_time=None,
        last_worker_sequence=0,
    )
    key = ObjectKey("team", f"s-{number}")
    world.azure.queues[account(HOME).id, queue] = []
    world.sessions.put(
        replace(
            session_of(key, uid=f"u-{number}"), status=replace(base.status, worker=worker, disks=())
        )
    )
    return world.sessions.stored[key]


def say_hello(world: World, session: BackupSession) -> None:
    worker = session.status.worker
    assert worker is not None
    assert worker.launch is not None
    key = RING.launch_key(worker.key_id, worker.id, worker.launch)
    assert key is not None
    hello = Hello(worker.id, worker.launch, "0.1", "0" * 16, "3.10.12", world.clock.now())
    header = Header("event", worker.id, NO_JOB, 1)
    world.say_text(seal(key, header, write_message(hello)), worker.events_queue)


@pytest.fixture
async def many() -> tuple[World, Intake, Counted, Sequence[BackupSession]]:
    world = World()
    world.sessions.put(session_of())
    await world.run_until("WorkerReady")
    counted = Counted()
    base = world.sessions.stored[KEY]
    sessions = [launched(world, base, number) for number in range(1, WORKERS + 1)]
    for name in ("take", "remove"):
        setattr(world.queues, name, counted.slow(name, getattr(world.queues, name)))
    for name in ("find", "write_status"):
        setattr(world.sessions, name, counted.slow(name, getattr(world.sessions, name)))
    served = SessionsOfAllKinds(world.booked)
    intake = Intake(RING, world.clock, Surroundings(world.queues, served, world.woken.append))
    for session in sessions:
        intake.listen(session)
    return world, intake, counted, sessions


async def test_the_hellos_of_400_workers_are_heard_side_by_side(
    many: tuple[World, Intake, Counted, Sequence[BackupSession]],
) -> None:
    world, intake, counted, sessions = many
    for session in sessions:
        say_hello(world, session)

    await intake.round()

    statuses = [world.sessions.stored[each.metadata.key].status for each in sessions]
    assert all(each.worker and each.worker.last_heartbeat_time for each in statuses)
    assert counted.calls == {
        "take": WORKERS, "find": WORKERS, "write_status": WORKERS, "remove": WORKERS,
    }  # fmt: skip
    # One after another they would take half a minute of waiting alone.
    assert counted.most >= SIDE_BY_SIDE


def test_all_queues_together_are_asked_at_most_so_often() -> None:
    for awaited in (1, 10, 40, 100, 300, WORKERS, 600):
        assert awaited / pause_s(awaited=True, awaited_in_all=awaited) <= MOST_PER_S
    assert pause_s(awaited=True, awaited_in_all=1) == AWAITED_S
    assert WORKERS / pause_s(awaited=False, awaited_in_all=0) < 27


def test_however_many_are_awaited_a_queue_is_asked_before_its_newest_passes_or_it_overflows() -> (
    None
):
    longest_s = pause_s(awaited=True, awaited_in_all=100_000)

    assert longest_s <= PASSING_EVENT_S
    assert longest_s / PROGRESS_S + longest_s / limits.HEARTBEAT_S < AT_ONCE


def test_what_a_killed_operator_took_is_heard_by_its_successor_within_20_s() -> None:
    terms = Terms()
    # The Lease was renewed and looked at just before, and its holder took messages at its last.
    earliest_s = terms.duration_s - terms.retry_s

    assert earliest_s + 20 >= LEASE_S + AWAITED_S
    assert LEASE_S > PROGRESS_EVERY_S + AWAITED_S


def test_what_passes_is_not_received_twice_and_its_newest_is_always_there() -> None:
    assert LEASE_S >= PASSING_EVENT_S
    assert PASSING_EVENT_S >= 2 * limits.HEARTBEAT_S


async def test_a_worker_whose_queue_hangs_is_the_only_one_that_is_not_heard(
    many: tuple[World, Intake, Counted, Sequence[BackupSession]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, intake, _, sessions = many
    take, hanging = world.queues.take, sessions[0].status.worker
    assert hanging is not None

    async def hang(at: Account, queue: str, lease_s: int) -> Sequence[Received]:
        if queue == hanging.events_queue:
            await asyncio.Event().wait()
        return await take(at, queue, lease_s)

    monkeypatch.setattr(world.queues, "take", hang)
    for session in sessions:
        say_hello(world, session)
    hearing = asyncio.create_task(intake.round())

    def heard() -> int:
        found = (world.sessions.stored[each.metadata.key].status.worker for each in sessions)
        return sum(each is not None and each.last_heartbeat_time is not None for each in found)

    async with asyncio.timeout(120):
        while heard() < WORKERS - 1:  # noqa: ASYNC110 - what is stored tells nobody
            await asyncio.sleep(0.1)
    hanging_still = not hearing.done()
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)

    assert hanging_still
    assert heard() == WORKERS - 1
