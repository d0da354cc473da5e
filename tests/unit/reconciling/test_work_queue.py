"""The work queue: one look at a time for each key, and coming back when it should."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.reconciling.looks import Looks
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.reconciling.outcome import Conflict, Done, Failed, Outcome, Waiting
from vmbackup_operator.reconciling.queue import Pace, WorkQueue


async def done(_key: str, _count: int) -> Outcome:
    return Done()


async def slow(_key: str, _count: int) -> Outcome:
    await asyncio.sleep(10)
    return Done()


async def test_a_key_added_many_times_is_looked_at_once() -> None:
    looks = Looks(done)
    queue = WorkQueue(looks)
    for _ in range(5):
        queue.add("a")

    async with queue.running():
        await asyncio.sleep(1)

    assert looks.count("a") == 1


async def test_a_key_is_never_worked_on_twice_at_once_and_an_add_meanwhile_is_not_lost() -> None:
    looks = Looks(slow)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(3)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(60)

    assert looks.times("a") == [0, 10]


async def test_workers_look_at_different_keys_side_by_side_and_no_more_than_there_are_workers() -> (
    None
):
    looks = Looks(slow)
    queue = WorkQueue(looks, workers=2)
    async with queue.running():
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(60)

    assert [at for at, _ in looks.seen] == [0, 0, 10]


async def test_more_urgent_keys_come_first() -> None:
    looks = Looks(done)
    queue = WorkQueue(looks, workers=1)
    queue.add("backup", priority=20)
    queue.add("restore", priority=5)
    queue.add("policy", priority=10)

    async with queue.running():
        await asyncio.sleep(1)

    assert [key for _, key in looks.seen] == ["restore", "policy", "backup"]


async def test_a_key_added_again_with_more_urgency_moves_forward_and_is_looked_at_once() -> None:
    looks = Looks(done)
    queue = WorkQueue(looks, workers=1)
    queue.add("a", priority=20)
    queue.add("b", priority=10)
    queue.add("a", priority=5)

    async with queue.running():
        await asyncio.sleep(1)

    assert [key for _, key in looks.seen] == ["a", "b"]


async def test_waiting_brings_the_key_back_after_its_seconds() -> None:
    async def twice(_key: str, count: int) -> Outcome:
        return Waiting(15, "still at it") if count == 1 else Done()

    looks = Looks(twice)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(100)

    assert looks.times("a") == [0, 15]


async def test_an_add_wakes_a_waiting_key_at_once_and_its_old_time_is_forgotten() -> None:
    async def twice(_key: str, count: int) -> Outcome:
        return Waiting(15, "still at it") if count == 1 else Done()

    looks = Looks(twice)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(4)
        queue.add("a")
        await asyncio.sleep(100)

    assert looks.times("a") == [0, 4]


async def test_errors_bring_the_key_back_later_each_time_and_success_forgets_them() -> None:
    async def failing(_key: str, count: int) -> Outcome:
        if count in {1, 2, 3, 5}:
            raise TransientError("503")
        return Waiting(100, "fine") if count == 4 else Done()

    looks = Looks(failing)
    queue = WorkQueue(looks, pace=Pace(base_s=1), part=lambda: 1.0)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(500)

    assert looks.times("a") == [0, 1, 3, 7, 107, 108]


async def test_a_retry_after_is_obeyed() -> None:
    async def throttled(_key: str, count: int) -> Outcome:
        if count == 1:
            raise TransientError("429", retry_after_s=42)
        return Done()

    looks = Looks(throttled)
    queue = WorkQueue(looks, part=lambda: 0.5)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(100)

    assert looks.times("a") == [0, 42.5]


async def test_a_conflict_brings_the_key_back_at_once() -> None:
    async def stale(_key: str, count: int) -> Outcome:
        if count == 1:
            raise Conflict("backupsession ns/a")
        return Done()

    looks = Looks(stale)
    queue = WorkQueue(looks, part=lambda: 1.0)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(10)

    assert looks.times("a") == [0, 0]


@pytest.mark.parametrize(
    "error", [PermanentError("no", reason="No"), ZeroDivisionError(), KeyError("x")], ids=repr
)
async def test_a_key_that_meets_an_unforeseen_error_comes_back_and_others_go_on(
    error: Exception,
) -> None:
    async def broken(key: str, count: int) -> Outcome:
        if key == "broken" and count == 1:
            raise error
        return Done()

    looks = Looks(broken)
    queue = WorkQueue(looks, workers=1, part=lambda: 1.0)
    async with queue.running():
        queue.add("broken")
        queue.add("other")
        await asyncio.sleep(10)

    assert (looks.count("broken"), looks.count("other")) == (2, 1)


async def test_a_look_that_hangs_is_ended_and_the_key_comes_back() -> None:
    async def hanging(_key: str, count: int) -> Outcome:
        if count == 1:
            await asyncio.Event().wait()
        return Done()

    looks = Looks(hanging)
    queue = WorkQueue(looks, pace=Pace(limit_s=30, base_s=1), part=lambda: 1.0)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(100)

    assert looks.times("a") == [0, 31]


async def test_a_failed_key_stays_away_until_it_is_added() -> None:
    async def refused(_key: str, _count: int) -> Outcome:
        return Failed("ScopeNotAllowed", "not for you")

    looks = Looks(refused)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(1000)
        queue.add("a")
        await asyncio.sleep(1000)

    assert looks.times("a") == [0, 1000]


async def test_ending_the_queue_ends_its_workers_and_timers() -> None:
    async def waiting(_key: str, _count: int) -> Outcome:
        return Waiting(5, "again")

    looks = Looks(waiting)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(1)
    await asyncio.sleep(100)

    assert looks.count("a") == 1


@pytest.mark.parametrize(
    ("failures", "retry_after_s", "part", "delay_s"),
    [
        (0, None, 1.0, 1),
        (3, None, 1.0, 8),
        (3, None, 0.0, 0),
        (60, None, 1.0, 300),
        (0, 10, 0.0, 10),
        (9, 10, 1.0, 11),
        (4, 0, 1.0, 0),
        (5, 0, 1.0, 32),
    ],
)
def test_delays(failures: int, retry_after_s: float | None, part: float, delay_s: float) -> None:
    assert Pace().delay_s(failures, retry_after_s, part) == delay_s


async def test_nobody_is_woken_before_the_time_that_the_other_side_named() -> None:
    async def throttled(_key: str, count: int) -> Outcome:
        if count == 1:
            raise TransientError("429", retry_after_s=40)
        return Done()

    looks = Looks(throttled)
    queue = WorkQueue(looks, part=lambda: 0.0)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(5)
        queue.add("a")
        await asyncio.sleep(100)
        queue.add("a")
        await asyncio.sleep(100)

    assert looks.times("a") == [0, 40, 105]


async def test_what_is_less_urgent_has_its_turn_however_busy_the_urgent_keys_are() -> None:
    async def busy(key: str, _count: int) -> Outcome:
        if key == "idle":
            return Done()
        await asyncio.sleep(1)
        return Waiting(0.1, "busy")

    looks = Looks(busy)
    queue = WorkQueue(looks, workers=4)
    async with queue.running():
        for number in range(20):
            queue.add(f"urgent-{number}", priority=0)
        await asyncio.sleep(0.5)
        queue.add("idle", priority=30)
        await asyncio.sleep(60)

    assert looks.count("idle") == 1
    assert 5 < looks.times("idle")[0] <= 40


async def test_keys_are_told_by_what_they_wait_for() -> None:
    async def waits(_key: str) -> Outcome:
        return Waiting(60, "later")

    async def works(key: str) -> Outcome:
        return await (slow(key, 0) if key == "slow" else waits(key))

    queue = WorkQueue(works, workers=1)
    queue.add("waits")
    async with queue.running():
        await asyncio.sleep(1)
        queue.add("slow")
        await asyncio.sleep(1)
        queue.add("next")
        queue.add("slow")
        told = queue.keys_by_state()

    assert told == {"ready": ("next", "slow"), "working": ("slow",), "waiting": ("waits",)}
