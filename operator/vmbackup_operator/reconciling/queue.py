"""The work queue: which key is looked at next, by whom, and when again.

A key is worked on by one worker at a time; added meanwhile, it is looked at once more afterwards.
More urgent keys come first, but each waits at most for those that came so many seconds later as
its priority says: however busy the urgent ones are, every key has its turn. What a reconciler
answers decides when the key comes back: it looks then whether something has come about, and gives
way to a key of which somebody said that something has. An error brings it back later each time,
by a random part of a doubling delay, so that many keys that failed together come apart.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from vmbackup_core.errors import TransientError, VmbackupError
from vmbackup_operator.reconciling.outcome import Outcome, Waiting

log = logging.getLogger(__name__)

#: How often in a row "at once" is granted; a conflict that never ends must not spin.
AT_ONCE = 5
#: How many keys are looked at side by side. A look that waits for its place in Azure's line costs
#: nothing but memory, and holds up no look that needs nothing of Azure; but the line is no longer
#: than what all of them ask for, so that nobody waits in it until its look is ended.
WORKERS = 64
#: A key that comes back by its time gives way to those that were added at most so much later.
GIVES_WAY_S = 20.0

Key = TypeVar("Key", bound=Hashable)
#: To be looked at as soon as a worker is free, looked at, or to be looked at when its time comes.
KeyState = Literal["ready", "working", "waiting"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast keys come back: after errors from *base_s*, doubled up to *cap_s*.

    *limit_s* ends a look that hangs: everything that a reconciler awaits is quick, or broken.
    """

    base_s: float = 1.0
    cap_s: float = 300.0
    limit_s: float = 120.0

    def delay_s(self, failures: int, retry_after_s: float | None, part: float) -> float:
        """Return how long to wait after *failures* in a row; *part* is random, from 0 to 1."""
        if retry_after_s is not None and (retry_after_s > 0 or failures < AT_ONCE):
            # The other side named a time: never earlier, and not all of us at that very moment.
            return retry_after_s + part * min(self.base_s, retry_after_s)
        return part * min(self.cap_s, math.ldexp(self.base_s, min(failures, 30)))


class WorkQueue(Generic[Key]):
    """Keys to be looked at, and the workers that do; lives in one event loop."""

    def __init__(
        self,
        reconcile: Callable[[Key], Awaitable[Outcome]],
        *,
        workers: int = WORKERS,
        pace: Pace | None = None,
        part: Callable[[], float] = random.random,
    ) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._pace = pace or Pace()
        self._part = part
        self._order = itertools.count()
        self._ready: list[tuple[float, int, Key]] = []
        #: The keys that are to be looked at, with priority and place in the order.
        self._wanted: dict[Key, tuple[int, float]] = {}
        self._working: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._held: set[Key] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Condition()
        self._wakers: set[asyncio.Task[None]] = set()

    def add(self, key: Key, *, priority: int = 10) -> None:
        """Have *key* looked at as soon as a worker is free.

        *priority* is in seconds: so much later a key of priority 0 may come and still be first.
        A key that waits for its time is woken, one that is worked on is looked at again after. Only
        where the other side named a time (Retry-After) nobody is woken before it.
        """
        if key in self._held:
            return
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._want(key, priority, asyncio.get_running_loop().time() + priority)

    def _want(self, key: Key, priority: int, due: float) -> None:
        before = self._wanted.get(key)
        if before is not None and before[1] <= due:
            return
        self._wanted[key] = (priority, due)
        if key not in self._working:
            self._offer(key, due)

    def add_within(self, key: Key, seconds: float, *, priority: int = 10) -> None:
        """Have *key* looked at in *seconds*, or earlier where it is due, or added, before.

        However often it is said, one look comes of it.
        """
        if key in self._held or key in self._wanted:
            return
        due = asyncio.get_running_loop().time() + seconds
        timer = self._timers.get(key)
        if timer is None or timer.when() > due:
            self._wait(key, seconds, priority)

    def _wait(self, key: Key, seconds: float, priority: int) -> None:
        """Have *key* looked at in *seconds*, whatever time was set for it before."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        gives_way_s = GIVES_WAY_S if seconds > 0 else 0.0
        self._timers[key] = loop.call_later(seconds, self._due, key, priority, gives_way_s)

    def _due(self, key: Key, priority: int, gives_way_s: float) -> None:
        del self._timers[key]
        self._held.discard(key)
        self._want(key, priority, asyncio.get_running_loop().time() + priority + gives_way_s)

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on or ready; keys that wait for their time aside."""
        return not self._wanted and not self._working

    def keys_by_state(self) -> Mapping[KeyState, Sequence[Key]]:
        """Return all keys; one that is worked on and wanted once more is in two states."""
        return {
            "ready": tuple(self._wanted),
            "working": tuple(self._working),
            "waiting": tuple(self._timers),
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the workers work for as long as the context lasts, and end them with it."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"worker-{number}")
            for number in range(self._workers)
        ]
        try:
            yield
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End the workers in the middle of whatever they are at; may be called twice."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _offer(self, key: Key, due: float) -> None:
        heapq.heappush(self._ready, (due, next(self._order), key))
        waker = asyncio.ensure_future(self._wake_one())
        self._wakers.add(waker)
        waker.add_done_callback(self._wakers.discard)

    async def _wake_one(self) -> None:
        async with self._arrived:
            self._arrived.notify()

    async def _next(self) -> tuple[Key, int]:
        """Return the most urgent key that is wanted and not worked on, once there is one."""
        while True:
            while self._ready:
                due, _, key = heapq.heappop(self._ready)
                wanted = self._wanted.get(key)
                # Added again with more urgency, or taken already: this entry is a leftover.
                if wanted is not None and wanted[1] == due and key not in self._working:
                    del self._wanted[key]
                    self._working.add(key)
                    return key, wanted[0]
            async with self._arrived:
                if not self._ready:
                    await self._arrived.wait()

    async def _work(self) -> None:
        while True:
            key, priority = await self._next()
            try:
                await self._look(key, priority)
            finally:
                self._working.discard(key)
                if key in self._wanted:
                    self._offer(key, self._wanted[key][1])

    async def _look(self, key: Key, priority: int) -> None:
        try:
            async with asyncio.timeout(self._pace.limit_s):
                outcome = await self._reconcile(key)
        except TransientError as error:
            self._come_back(key, priority, error, error.retry_after_s)
        except (VmbackupError, TimeoutError) as error:
            self._come_back(key, priority, error, None)
        except Exception as error:  # a bug that one key meets must not end the others
            log.exception("%s: unexpected %s", key, type(error).__name__)
            self._come_back(key, priority, error, None)
        else:
            self._failures.pop(key, None)
            if isinstance(outcome, Waiting):
                self.add_within(key, outcome.seconds, priority=priority)

    def _come_back(
        self, key: Key, priority: int, error: Exception, retry_after_s: float | None
    ) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = self._pace.delay_s(failures, retry_after_s, self._part())
        log.info("%s: again in %.1f s: %s", key, delay_s, str(error) or type(error).__name__)
        if retry_after_s:
            self._wanted.pop(key, None)
            self._held.add(key)
            self._wait(key, delay_s, priority)
        else:
            self.add_within(key, delay_s, priority=priority)
