"""What takes hours goes on beside a repository's turns, and nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from tests.worlds.background import all_has_ended
from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_points import USER_KEY as KEY
from tests.worlds.memory_points import MemoryPoints
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.opened_repositories import OpenedRepositories


def itself(opened: OpenedRepository) -> OpenedRepository:
    return opened


def repositories() -> OpenedRepositories:
    opened = OpenedRepositories(MemoryPoints().containers, APPLIANCE, TurnedClock())
    opened.answer_within_s = 0.05
    return opened


async def test_others_have_their_turns_meanwhile() -> None:
    opened, word = repositories(), threading.Event()

    def long(of: OpenedRepository, _goes_on: Callable[[], None]) -> RepositoryId:
        assert word.wait(30)
        return of.repository_id

    waiting = await opened.beside(ready_repository(), KEY, "check", long)
    opened.answer_within_s = 30
    turn = await opened.use(ready_repository(), KEY, "a", itself)
    word.set()
    answered = await opened.beside(ready_repository(), KEY, "check", long)

    assert isinstance(waiting, Waiting)
    assert isinstance(turn, OpenedRepository)
    assert answered == turn.repository_id


async def test_it_ends_with_the_operator() -> None:
    opened, ended = repositories(), threading.Event()

    def endless(_of: OpenedRepository, goes_on: Callable[[], None]) -> None:
        try:
            while True:
                goes_on()
                time.sleep(0.001)
        finally:
            ended.set()

    await opened.beside(ready_repository(), KEY, "check", endless)
    await opened.close()

    assert await asyncio.to_thread(ended.wait, 30)


async def test_its_answer_is_kept_for_a_day() -> None:
    clock = TurnedClock()
    opened = OpenedRepositories(MemoryPoints().containers, APPLIANCE, clock)
    opened.answer_within_s, answers, word = 0.01, iter((1, 2)), threading.Event()

    def long(_of: OpenedRepository, _goes_on: Callable[[], None]) -> int:
        assert word.wait(30)
        return next(answers)

    await opened.beside(ready_repository(), KEY, "check", long)
    word.set()
    await all_has_ended()
    clock.turn(43_200)
    opened.answer_within_s = 30

    assert await opened.beside(ready_repository(), KEY, "check", long) == 1
