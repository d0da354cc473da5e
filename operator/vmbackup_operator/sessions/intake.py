"""The intake: hears every worker that serves a session, each by itself.

Sessions' steps say whom to hear, so nothing is listed and Resource Manager is asked nothing. Each
worker has an ear of its own on a task of its own: none can be in another's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup_core.clock import Clock
from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.reconciling.log_context import logged_about
from vmbackup_operator.sessions.ear import Ear, Hearing, Launched, Served, launched_of
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.pace import pause_s
from vmbackup_operator.sessions.ports import Queues

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the intake needs; *wake* has a session looked at soon."""

    queues: Queues
    sessions: Served
    wake: Callable[[ObjectKey], None]


class Intake:
    """The one reader of the events queues."""

    def __init__(self, ring: KeyRing, clock: Clock, surroundings: Surroundings) -> None:
        #: How many messages were refused, by why; and how many of workers that serve nobody.
        self.refused: Counter[str] = Counter()
        self._ring = ring
        self._hearing = Hearing(
            surroundings.queues, surroundings.sessions, clock, surroundings.wake, self.refused
        )
        self._ears: dict[WorkerId, Ear] = {}
        self._tasks: dict[WorkerId, asyncio.Task[None]] = {}
        self._calls: dict[WorkerId, asyncio.Event] = {}
        self._called = asyncio.Event()

    @property
    def heard_workers(self) -> frozenset[WorkerId]:
        """The workers whose queues are asked."""
        return frozenset(self._ears)

    def listen(self, session: Session) -> None:
        """Hear the worker that *session* has launched, often where its answer is awaited."""
        launched = launched_of(session)
        if launched is None:
            return
        ear = self._ears.get(launched.worker)
        if ear is None or ear.launched != launched:
            ear = self._hear_from_now_on(launched)
        if ear is None:
            return
        was_awaited = ear.awaited
        ear.know(session)
        if ear.awaited and not was_awaited:
            self._calls[launched.worker].set()

    def silence_of(self, worker: WorkerId, since: datetime) -> timedelta:
        """Return how long *worker* was silent while it was heard, *since* its launch or word."""
        ear = self._ears.get(worker)
        return timedelta(0) if ear is None else ear.silence(since)

    async def run(self) -> None:
        """Hear workers for as long as the task lives."""
        try:
            while True:
                self._called.clear()
                for worker in self._ears.keys() - self._tasks.keys():
                    attending = self._attend(worker)
                    self._tasks[worker] = asyncio.create_task(attending, name=f"ear of {worker}")
                await self._called.wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    async def round(self) -> None:
        """Hear every worker once, side by side."""
        await asyncio.gather(*(self._hear(worker) for worker in list(self._ears)))

    def _hear_from_now_on(self, launched: Launched) -> Ear | None:
        key = self._ring.launch_key(launched.key_id, launched.worker, launched.launch)
        if key is None:
            return None  # what it says can't be opened: its session finds that by itself
        ear = self._ears[launched.worker] = Ear(launched, key, self._hearing)
        self._calls.setdefault(launched.worker, asyncio.Event()).set()
        self._called.set()
        return ear

    async def _attend(self, worker: WorkerId) -> None:
        """Hear *worker* again and again until it serves its session no more."""
        while (ear := self._ears.get(worker)) is not None:
            call = self._calls[worker]
            call.clear()
            await self._hear(worker)
            if ear.ended:
                continue
            awaited = sum(each.awaited for each in self._ears.values())
            pause = pause_s(awaited=ear.awaited, awaited_in_all=awaited)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.wait(), pause)
        del self._tasks[worker], self._calls[worker]

    async def _hear(self, worker: WorkerId) -> None:
        """Hear *worker* once; whatever goes wrong is said, and is no matter of any other's."""
        ear = self._ears[worker]
        with logged_about({"session": str(ear.launched.session)}):
            await self._hear_by(ear, worker)
        if ear.ended and self._ears.get(worker) is ear:
            del self._ears[worker]

    @staticmethod
    async def _hear_by(ear: Ear, worker: WorkerId) -> None:
        try:
            await ear.hear()
        except VmbackupError as error:
            log.warning("events of worker %s: %s", worker, error)
        except Exception as error:  # a bug that one queue meets must not end the hearing
            log.exception("events of worker %s: unexpected %s", worker, type(error).__name__)
