"""When keys come back: within a time that others said, and behind those that were woken."""

from __future__ import annotations

import asyncio

from tests.unit.reconciling.looks import Looks
from vmbackup_core.errors import TransientError
from vmbackup_operator.reconciling.outcome import Done, Outcome, Waiting
from vmbackup_operator.reconciling.queue import WorkQueue


async def test_a_look_within_a_time_comes_once_and_not_later_than_it_was_said_first() -> None:
    async def rare(_key: str, _count: int) -> Outcome:
        return Waiting(1000, "nothing is expected")

    looks = Looks(rare)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        for _ in range(5):
            await asyncio.sleep(10)
            queue.add_within("a", 30)
        await asyncio.sleep(500)

    assert looks.times("a") == [0, 40, 80]


async def test_a_time_that_is_said_during_a_look_holds_though_the_look_wants_a_later_one() -> None:
    async def slow_and_rare(_key: str, _count: int) -> Outcome:
        await asyncio.sleep(10)
        return Waiting(1000, "nothing is expected")

    looks = Looks(slow_and_rare)
    queue = WorkQueue(looks)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(5)
        queue.add_within("a", 30)
        await asyncio.sleep(500)

    assert looks.times("a") == [0, 35]


async def test_a_time_that_the_other_side_named_holds_though_a_look_is_wanted_within_less() -> None:
    async def throttled(_key: str, count: int) -> Outcome:
        await asyncio.sleep(1)
        if count == 1:
            raise TransientError("429", retry_after_s=40)
        return Done()

    looks = Looks(throttled)
    queue = WorkQueue(looks, part=lambda: 0.0)
    async with queue.running():
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add_within("a", 2)
        await asyncio.sleep(5)
        queue.add_within("a", 2)
        await asyncio.sleep(100)

    assert looks.times("a") == [0, 41]


async def test_a_key_that_was_woken_comes_before_those_that_only_look_again() -> None:
    """Who polls finds nothing most of the time; of who was woken it is known that there is news."""

    async def polling(key: str, _count: int) -> Outcome:
        await asyncio.sleep(1)
        return Waiting(2, "Azure is at it") if key.startswith("polls") else Done()

    looks = Looks(polling)
    queue = WorkQueue(looks, workers=2)
    async with queue.running():
        for number in range(30):
            queue.add(f"polls-{number}")
        await asyncio.sleep(100)
        woken_s = asyncio.get_running_loop().time()
        queue.add("woken")
        await asyncio.sleep(100)

    assert looks.times("woken")[0] - woken_s <= 1
    assert min(looks.count(f"polls-{number}") for number in range(30)) > 5


async def test_who_looks_again_has_its_turn_however_many_are_woken() -> None:
    async def busy(_key: str, _count: int) -> Outcome:
        await asyncio.sleep(1)
        return Waiting(5, "again")

    looks = Looks(busy)
    queue = WorkQueue(looks, workers=1)
    async with queue.running():
        queue.add("polls")
        for number in range(200):
            queue.add(f"woken-{number}")
            await asyncio.sleep(0.9)

    assert looks.count("polls") >= 2


async def test_the_next_step_gives_way_to_nobody() -> None:
    async def two_steps(key: str, count: int) -> Outcome:
        await asyncio.sleep(1)
        return Waiting(0, "the next step") if key == "session" and count == 1 else Done()

    looks = Looks(two_steps)
    queue = WorkQueue(looks, workers=1)
    async with queue.running():
        queue.add("session")
        for number in range(30):
            await asyncio.sleep(1)
            queue.add(f"woken-{number}")

    assert looks.times("session")[1] <= 3
