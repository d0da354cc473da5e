"""Reads that several callers share."""

from __future__ import annotations

import asyncio

import pytest

from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.shared_reads import FRESH_S, SharedReads, group

HERE = group("S", "Appliance")


class Azure:
    """Answers how often it was asked, when the test lets it."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails = False

    async def __call__(self) -> int:
        self.asked += 1
        asked = self.asked
        await self.may_answer.wait()
        if self.fails:
            raise ValueError
        return asked


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def reads(clock: TurnedClock) -> SharedReads:
    return SharedReads(clock)


async def test_all_who_ask_at_once_share_one_request(reads: SharedReads) -> None:
    azure = Azure()

    answers = await asyncio.gather(*(reads.read(HERE, "list", azure) for _ in range(100)))

    assert answers == [1] * 100


async def test_an_answer_is_good_for_seconds(reads: SharedReads, clock: TurnedClock) -> None:
    azure = Azure()
    await reads.read(HERE, "list", azure)

    clock.turn(FRESH_S - 0.1)
    assert await reads.read(HERE, "list", azure) == 1
    clock.turn(0.1)
    assert await reads.read(HERE, "list", azure) == 2


async def test_a_write_to_the_group_ends_what_was_read(reads: SharedReads) -> None:
    azure = Azure()
    await reads.read(HERE, "list", azure)

    reads.forget(group("s", "APPLIANCE"))

    assert await reads.read(HERE, "list", azure) == 2


async def test_a_look_after_a_write_is_not_answered_by_one_from_before(reads: SharedReads) -> None:
    azure = Azure()
    azure.may_answer.clear()
    before = asyncio.create_task(reads.read(HERE, "list", azure))
    await asyncio.sleep(0)

    reads.forget(HERE)
    after = asyncio.create_task(reads.read(HERE, "list", azure))
    await asyncio.sleep(0)
    azure.may_answer.set()

    assert (await before, await after) == (1, 2)


async def test_other_groups_keep_what_was_read(reads: SharedReads) -> None:
    azure, there = Azure(), group("s", "other")
    await reads.read(there, "list", azure)

    reads.forget(HERE)

    assert await reads.read(there, "list", azure) == 1


async def test_a_failure_is_told_to_all_who_asked_and_not_kept(reads: SharedReads) -> None:
    azure = Azure()
    azure.fails = True
    told = await asyncio.gather(
        *(reads.read(HERE, "list", azure) for _ in range(3)), return_exceptions=True
    )
    azure.fails = False

    assert [type(each) for each in told] == [ValueError] * 3
    assert await reads.read(HERE, "list", azure) == 2


async def test_who_stops_waiting_does_not_stop_the_others(reads: SharedReads) -> None:
    azure = Azure()
    azure.may_answer.clear()
    impatient, patient = (asyncio.create_task(reads.read(HERE, "list", azure)) for _ in range(2))
    await asyncio.sleep(0)

    impatient.cancel()
    await asyncio.sleep(0)
    azure.may_answer.set()

    assert await patient == 1


async def test_a_long_list_does_not_stay_in_memory(clock: TurnedClock) -> None:
    reads = SharedReads(clock, fresh_s=0.01)
    await reads.read(HERE, "list", Azure())

    await asyncio.sleep(0.05)

    assert reads.kept == 0


ONE, OTHER = (
    ArmId(f"/subscriptions/s/resourceGroups/appliance/providers/p/t/{name}") for name in ("a", "b")
)


async def test_who_looks_for_one_is_served_until_that_one_is_written(reads: SharedReads) -> None:
    azure = Azure()
    await reads.read(HERE, "list", azure)

    reads.forget(HERE, OTHER)
    looks = [await reads.read(HERE, "list", azure, ONE)]
    reads.forget(HERE, ArmId(ONE.upper()))
    looks.append(await reads.read(HERE, "list", azure, ONE))

    assert looks == [1, 2]


async def test_who_looks_for_all_is_not_served_by_a_list_from_before_a_write_to_one(
    reads: SharedReads,
) -> None:
    azure = Azure()
    await reads.read(HERE, "list", azure)

    reads.forget(HERE, OTHER)

    assert not reads.has(HERE, "list")
    assert await reads.read(HERE, "list", azure) == 2
    assert await reads.read(HERE, "list", azure, OTHER) == 2


async def test_a_list_that_is_being_read_while_one_is_written_does_not_serve_who_looks_for_it(
    reads: SharedReads,
) -> None:
    azure = Azure()
    azure.may_answer.clear()
    before = asyncio.create_task(reads.read(HERE, "list", azure, ONE))
    await asyncio.sleep(0)
    reads.forget(HERE, ONE)
    after = asyncio.create_task(reads.read(HERE, "list", azure, ONE))
    await asyncio.sleep(0)
    azure.may_answer.set()

    assert list(await asyncio.gather(before, after)) == [1, 2]
