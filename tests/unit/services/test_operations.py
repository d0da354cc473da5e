"""Long-running operations, begun once and asked for often."""

from __future__ import annotations

import asyncio

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_operator.services.operations import Operations, is_unhurried


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


async def test_an_error_that_nobody_came_for_is_no_answer_to_another_attempt() -> None:
    operations, slow = Operations(patience_s=0.01, hand_over_within_s=0.05), Slow()
    await operations.advance("take s", slow)
    slow.error = PermanentError("no", reason="No")
    await settled(slow)
    slow.error = None
    await asyncio.sleep(0.06)

    assert not operations.under_way("take s")
    assert await operations.advance("take s", slow) == "done"
    assert slow.begun == 2


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
