"""Azure's long-running operations, carried on in the background while reconciles come and go.

Nothing here survives the process, and nothing needs to: whoever asks looks at Azure first, and what
is asked for twice is asked for once there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

# A reconcile's step never waits for Azure longer than about this.
_PATIENCE_S = 2.0

# What ended and was never asked for again is forgotten after this.
_FORGET_AFTER_S = 900.0


class Operations:
    """One background task for each key."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._ended_at: dict[str, float] = {}

    async def advance(self, key: str, begin: Callable[[], Awaitable[T]]) -> T | None:
        """Return what *begin* comes to, or None while it is under way.

        It is begun where nothing of that key is; an error is raised to whoever asks next and then
        forgotten, as a result is once it was handed out. *begin* must not come to None.
        """
        self._forget_old()
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(_awaited(begin), name=key)
            task.add_done_callback(lambda done: self._ended(key, done))
            self._tasks[key] = task
        done, _ = await asyncio.wait([task], timeout=self._patience_s)
        if not done:
            return None
        if self._tasks.get(key) is task:
            del self._tasks[key]
        result: T = task.result()
        return result

    def forget(self, key: str) -> None:
        """Drop the result of what has ended and was not asked for again.

        For what undoes it, or is undone by it: later its result would answer another question.
        """
        task = self._tasks.get(key)
        if task is not None and task.done():
            del self._tasks[key]

    def under_way(self, key: str) -> bool:
        """Tell whether something of that key was begun and its end not handed out."""
        return key in self._tasks

    async def close(self) -> None:
        """Stop waiting for everything; Azure carries on by itself."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: str, task: asyncio.Task[Any]) -> None:
        self._ended_at[key] = asyncio.get_running_loop().time()
        if not task.cancelled() and task.exception() is not None:
            log.debug("%s: %s", key, task.exception())

    def _forget_old(self) -> None:
        before = asyncio.get_running_loop().time() - _FORGET_AFTER_S
        for key, ended in list(self._ended_at.items()):
            task = self._tasks.get(key)
            if task is None or (task.done() and ended < before):
                del self._ended_at[key]
                self._tasks.pop(key, None)


async def _awaited(begin: Callable[[], Awaitable[T]]) -> T:
    return await begin()
