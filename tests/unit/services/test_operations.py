"""Long-running operations, begun once and asked for often."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from tools.bench.turned_time import ComputedClock, TurnedLoop
from vmbackup_core.errors import PermanentError
from vmbackup_operator.services.operations import Operations, is_unhurried

T = TypeVar("T")

MINUTE_S, HOUR_S = 60.0, 3600.0
#: Longer than a step waits for what it has begun.
LONG_S = 10.0


class Slow:
    """Something that takes as long as the test says."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.begun += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return "done"


class Granted:
    """What an operation comes to that opens something."""


def in_turned_time(test: Coroutine[None, None, T]) -> T:
    """Return what *test* comes to, whose pauses take no time."""
    loop = TurnedLoop(ComputedClock(lambda: 0.0))
    try:
        return loop.run_until_complete(test)
    finally:
        loop.close()


async def settled(slow: Slow) -> None:
    slow.may_end.set()
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_ends_at_once_is_returned_at_once() -> None:
    slow = Slow()
    slow.may_end.set()

    assert await Operations().advance("k", slow) == "done"


async def test_an_operation_is_begun_once_however_often_it_is_asked_for() -> None:
    operations, slow = Operations(patience_s=0.01), Slow()

    answers = [await operations.advance("k", slow) for _ in range(3)]
    await settled(slow)

    assert answers == [None, None, None]
    assert await operations.advance("k", slow) == "done"
    assert slow.begun == 1


async def test_what_was_handed_out_is_begun_anew() -> None:
    operations, slow = Operations(), Slow()
    slow.may_end.set()
    await operations.advance("k", slow)

    await operations.advance("k", slow)

    assert slow.begun == 2


async def test_an_error_is_raised_to_whoever_asks_next_and_then_forgotten() -> None:
    operations, slow = Operations(patience_s=0.01), Slow()
    await operations.advance("k", slow)
    slow.error = PermanentError("no", reason="No")
    await settled(slow)

    with pytest.raises(PermanentError):
        await operations.advance("k", slow)

    assert not operations.under_way("k")


async def test_keys_do_not_wait_for_each_other() -> None:
    operations, slow, quick = Operations(patience_s=0.01), Slow(), Slow()
    quick.may_end.set()

    assert await operations.advance("slow", slow) is None
    assert await operations.advance("quick", quick) == "done"
    assert operations.under_way("slow")
    await operations.close()


async def test_closing_stops_waiting() -> None:
    operations, slow = Operations(patience_s=0.01), Slow()
    await operations.advance("k", slow)

    await operations.close()

    assert not operations.under_way("k")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("minutes", [1, 5, 9])
def test_an_end_waits_for_an_asker_who_is_held_up_for_minutes(minutes: int) -> None:
    async def asked() -> tuple[str | None, bool, str | None, int]:
        operations, slow = Operations(), Slow()
        first = await operations.advance("revoke s", slow)
        await settled(slow)
        await asyncio.sleep(minutes * MINUTE_S)
        known = operations.under_way("revoke s")
        return first, known, await operations.advance("revoke s", slow), slow.begun

    assert in_turned_time(asked()) == (None, True, "done", 1)


def test_so_does_an_error_that_would_else_never_be_told() -> None:
    async def asked() -> int:
        operations, slow = Operations(), Slow()
        await operations.advance("take s", slow)
        slow.error = PermanentError("no", reason="No")
        await settled(slow)
        await asyncio.sleep(5 * MINUTE_S)
        with pytest.raises(PermanentError):
            await operations.advance("take s", slow)
        return slow.begun

    assert in_turned_time(asked()) == 1


@pytest.mark.parametrize("error", [None, PermanentError("no", reason="No")])
def test_an_end_that_nobody_came_for_is_no_answer_to_another_attempt(
    error: PermanentError | None,
) -> None:
    async def asked() -> tuple[bool, str | None, int]:
        operations, slow = Operations(), Slow()
        # However long an error's operation would have been good for: nothing came of it.
        await operations.advance("take s", slow, None if error is None else 6 * HOUR_S)
        slow.error = error
        await settled(slow)
        slow.error = None
        await asyncio.sleep(11 * MINUTE_S)
        known = operations.under_way("take s")
        return known, await operations.advance("take s", slow), slow.begun

    assert in_turned_time(asked()) == (False, "done", 2)


@pytest.mark.parametrize(
    ("hours", "begun"), [pytest.param(5.9, 1, id="good"), pytest.param(6.0, 2, id="over")]
)
def test_what_lasts_for_hours_is_handed_over_as_long(hours: float, begun: int) -> None:
    async def asked() -> tuple[str | None, int]:
        operations, slow = Operations(), Slow()
        await operations.advance("grant s", slow, lasts_s=6 * HOUR_S)
        # It counts from its beginning: Azure's clock runs from when it was asked.
        await asyncio.sleep(LONG_S)
        await settled(slow)
        await asyncio.sleep(hours * HOUR_S - LONG_S)
        return await operations.advance("grant s", slow, lasts_s=6 * HOUR_S), slow.begun

    assert in_turned_time(asked()) == ("done", begun)


def test_what_lasts_for_hours_ends_with_what_is_done_to_the_resource() -> None:
    async def asked() -> int:
        operations, granted, revoked = Operations(), Slow(), Slow()
        await operations.advance("grant s", granted, lasts_s=6 * HOUR_S)
        await settled(granted)
        revoked.may_end.set()
        await operations.advance("revoke s", revoked)
        await operations.advance("grant s", granted, lasts_s=6 * HOUR_S)
        return granted.begun

    assert in_turned_time(asked()) == 2


@pytest.mark.parametrize(
    ("fetched", "wait_s"),
    [
        pytest.param(True, 0.0, id="once it is handed over"),
        pytest.param(False, HOUR_S, id="once it is over"),
    ],
)
def test_nothing_is_held_of_an_end(*, fetched: bool, wait_s: float) -> None:
    held: list[weakref.ref[Granted]] = []

    async def grant() -> Granted:
        await asyncio.sleep(LONG_S)
        granted = Granted()
        held.append(weakref.ref(granted))
        return granted

    async def asked() -> list[Granted | None]:
        operations = Operations()
        await operations.advance("grant s", grant, lasts_s=HOUR_S)
        await asyncio.sleep(LONG_S)
        if fetched:
            assert await operations.advance("grant s", grant) is not None
        await asyncio.sleep(wait_s)
        gc.collect()
        return [each() for each in held]

    assert in_turned_time(asked()) == [None]


async def test_a_second_delete_is_not_answered_by_the_first() -> None:
    operations, first, made, second = Operations(patience_s=0.01), Slow(), Slow(), Slow()
    made.may_end.set()
    second.may_end.set()
    await operations.advance("delete s", first)
    await settled(first)

    await operations.advance("take s", made)
    await operations.advance("delete s", second)

    assert second.begun == 1


async def test_what_is_begun_ends_what_was_under_way_of_the_resource() -> None:
    operations, launched, gone = Operations(patience_s=0.01), Slow(), Slow()
    gone.may_end.set()
    await operations.advance("launch w", launched)

    assert await operations.advance("delete w", gone) == "done"

    assert not operations.under_way("launch w")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_waits_for_what_another_has_ended_looks_again() -> None:
    operations, revoked, granted = Operations(patience_s=5), Slow(), Slow()
    granted.may_end.set()
    waiting = asyncio.create_task(operations.advance("revoke s", revoked))
    await asyncio.sleep(0)

    await operations.advance("grant s", granted)

    assert await waiting is None


async def test_what_is_done_to_one_resource_says_nothing_of_another() -> None:
    operations, deleted, made = Operations(patience_s=0.01), Slow(), Slow()
    made.may_end.set()
    await operations.advance("delete s", deleted)
    await settled(deleted)

    await operations.advance("take t", made)

    assert await operations.advance("delete s", deleted) == "done"
    assert deleted.begun == 1


async def test_what_runs_in_the_background_knows_that_nobody_waits() -> None:
    async def ask() -> str:
        return f"{is_unhurried()}"

    assert await Operations().advance("k", ask) == "True"
    assert not is_unhurried()


async def test_what_ended_unasked_is_no_answer_once_it_was_forgotten() -> None:
    operations, slow = Operations(patience_s=0.01), Slow()
    await operations.advance("revoke", slow)
    await settled(slow)

    operations.forget("revoke")
    await operations.advance("revoke", slow)

    assert slow.begun == 2


async def test_what_is_under_way_is_not_forgotten() -> None:
    operations, slow = Operations(patience_s=0.01), Slow()
    await operations.advance("revoke", slow)

    operations.forget("revoke")

    assert operations.under_way("revoke")
    await operations.close()
