"""Azure's long-running operations, carried on in the background while reconciles come and go.

The table holds what is under way, and an end until it is handed over: to whoever asks next, as long
as it answers the question and nothing else was done to the resource meanwhile. Nothing here
survives the process, and nothing needs to: Azure carries on by itself, whoever asks looks there
first, and what is asked for twice is asked for once there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

# A reconcile's step never waits for Azure longer than about this.
_PATIENCE_S = 2.0

# Who waits for an operation looks again every few seconds where there is room for it: in a crowd,
# or after an error, minutes may lie between two looks of a key (`reconciling.queue.Pace`). To drop
# an end before its asker comes makes the crowd larger, by the same operation once more; an end that
# nobody came for in this time would be the answer to another question.
_GOOD_FOR_S = 600.0

_unhurried: ContextVar[bool] = ContextVar("unhurried", default=False)


def is_unhurried() -> bool:
    """Tell whether what runs is an operation in the background, for which nobody waits."""
    return _unhurried.get()


@dataclass(slots=True, eq=False)
class _Operation:
    task: asyncio.Task[Any]
    #: Drops the end, once it is one that nobody has come for in time.
    timer: asyncio.TimerHandle | None = None


class Operations:
    """One background task for each key, which is a verb, a blank, and the resource.

    One thing is done to a resource at a time: what is begun ends what was under way. So there are
    never more ends than resources, and none outlives what it answers.
    """

    def __init__(self, patience_s: float = _PATIENCE_S, good_for_s: float = _GOOD_FOR_S) -> None:
        self._patience_s = patience_s
        self._good_for_s = good_for_s
        self._operations: dict[str, _Operation] = {}
        #: What is done to each resource: one thing, for a moment perhaps two.
        self._of_resource: dict[str, set[str]] = {}

    async def advance(
        self, key: str, begin: Callable[[], Awaitable[T]], lasts_s: float | None = None
    ) -> T | None:
        """Return what *begin* comes to, or None while it is under way.

        It is begun where nothing of that key is. What it comes to, a result or an error, is handed
        over once, however late somebody comes for it; but a result only within *lasts_s* of its
        beginning, where that is said, and all else for some minutes. *begin* must not come to None.
        """
        operation = self._operations.get(key)
        if operation is None:
            self._drop_others(key)
            operation = self._operations[key] = self._begin(key, begin, lasts_s)
            self._of_resource.setdefault(_resource_of(key), set()).add(key)
        done, _ = await asyncio.wait([operation.task], timeout=self._patience_s)
        if not done or operation.task.cancelled():
            return None
        if self._operations.get(key) is operation:
            self._drop(key)
        result: T = operation.task.result()
        return result

    def forget(self, key: str) -> None:
        """Drop the end of what nobody came for."""
        operation = self._operations.get(key)
        if operation is not None and operation.task.done():
            self._drop(key)

    def under_way(self, key: str) -> bool:
        """Tell whether something of that key was begun and its end not handed over."""
        return key in self._operations

    async def close(self) -> None:
        """Stop waiting for everything; Azure carries on by itself."""
        tasks = [operation.task for operation in self._operations.values()]
        for key in tuple(self._operations):
            self._drop(key)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(
        self, key: str, begin: Callable[[], Awaitable[T]], lasts_s: float | None
    ) -> _Operation:
        until_s = None if lasts_s is None else asyncio.get_running_loop().time() + lasts_s
        with _in_background():
            operation = _Operation(asyncio.create_task(_await(begin), name=key))
        operation.task.add_done_callback(lambda _: self._end(key, operation, until_s))
        return operation

    def _end(self, key: str, operation: _Operation, until_s: float | None) -> None:
        """Keep the end for as long as it is good, unless it was handed over or dropped already."""
        task, loop = operation.task, asyncio.get_running_loop()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.debug("%s: %s", key, error)
        if self._operations.get(key) is not operation:
            return
        if until_s is None or error is not None:
            until_s = loop.time() + self._good_for_s
        operation.timer = loop.call_at(until_s, self._drop, key)

    def _drop(self, key: str) -> None:
        operation = self._operations.pop(key)
        if operation.timer is not None:
            operation.timer.cancel()
        resource = _resource_of(key)
        self._of_resource[resource].discard(key)
        if not self._of_resource[resource]:
            del self._of_resource[resource]

    def _drop_others(self, key: str) -> None:
        """Stop following what else was done to the resource: its end answers no question any more.

        A grant after a revoke whose end was not seen would else let the next revoke be answered by
        the first one; a launch must not go on behind a deletion.
        """
        for other in tuple(self._of_resource.get(_resource_of(key), ())):
            self._operations[other].task.cancel()
            self._drop(other)


def _resource_of(key: str) -> str:
    return key.partition(" ")[2] or key


@contextmanager
def _in_background() -> Iterator[None]:
    token = _unhurried.set(True)
    try:
        yield
    finally:
        _unhurried.reset(token)


async def _await(begin: Callable[[], Awaitable[T]]) -> T:
    return await begin()
