"""Reads that several callers share: one request for all who ask at once, and for seconds after.

A write to a group of resources ends what was read of the group, and what is being read of it: who
asks after a write never gets an answer from before it. Who looks for one resource in a list of the
group is concerned by writes to that one alone: where thousands are written one after another, each
look at one of them would else read them all again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from vmbackup_core.clock import Clock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId, resource_group_of, subscription_of

T = TypeVar("T")

#: Sessions that look at the same moment see the same; nobody waits for news much longer.
FRESH_S = 3.0


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group, told from others without case."""

    subscription: str
    name: str


def group(subscription_id: str, resource_group: str) -> Group:
    """Return the group as reads are shared by it."""
    return Group(folded(subscription_id), folded(resource_group))


def group_of(resource_id: ArmId) -> Group:
    """Return the group that the resource lies in."""
    return group(subscription_of(resource_id), resource_group_of(resource_id))


@dataclass(frozen=True, slots=True)
class _Read:
    task: asyncio.Task[Any]
    began_s: float
    #: How many writes there had been when it began.
    after: int


class SharedReads:
    """What was read in the last seconds, by group and by what was asked."""

    def __init__(self, clock: Clock, fresh_s: float = FRESH_S) -> None:
        self._clock = clock
        self._fresh_s = fresh_s
        self._reads: dict[Group, dict[str, _Read]] = {}
        self._writes = 0
        #: While reads are kept of a group: the last write to each resource, and to any (None).
        self._written: dict[Group, dict[str | None, int]] = {}

    async def read(
        self,
        where: Group,
        what: str,
        ask: Callable[[], Awaitable[T]],
        about: ArmId | None = None,
    ) -> T:
        """Return what *ask* answers, or what it answered a moment ago; a failure is not kept.

        Who wants to know *about* one resource only is served by what was read since that was
        written.
        """
        reads = self._reads.setdefault(where, {})
        read = reads.get(what)
        if read is None or self._is_old(read) or self._is_overtaken(read, where, about):
            task = asyncio.create_task(_await(ask))
            read = _Read(task, self._clock.monotonic_s(), self._writes)
            reads[what] = read
            read.task.add_done_callback(lambda _: self._keep(where, what, read))
        # Whoever stops waiting does not stop the others.
        answer: T = await asyncio.shield(read.task)
        return answer

    def has(self, where: Group, what: str) -> bool:
        """Tell whether an answer is kept or waited for that would be shared."""
        read = self._reads.get(where, {}).get(what)
        if read is None or self._is_old(read):
            return False
        return not self._is_overtaken(read, where, None)

    @property
    def kept(self) -> int:
        """How many answers are kept, or waited for."""
        return sum(map(len, self._reads.values()))

    def forget(self, where: Group, resource_id: ArmId | None = None) -> None:
        """Have nothing served that was read of the group: somebody writes to it, or has written.

        Where it is known which resource that is, lists still serve who looks for others in them.
        """
        if resource_id is None:
            self._reads.pop(where, None)
            self._written.pop(where, None)
        elif where in self._reads:
            self._writes += 1
            written = self._written.setdefault(where, {})
            written[None] = written[folded(resource_id)] = self._writes

    def _is_overtaken(self, read: _Read, where: Group, about: ArmId | None) -> bool:
        """Tell whether what it is about was written since the read began."""
        written = self._written.get(where, {})
        return written.get(None if about is None else folded(about), 0) > read.after

    def _is_old(self, read: _Read) -> bool:
        return read.task.done() and self._clock.monotonic_s() - read.began_s >= self._fresh_s

    def _keep(self, where: Group, what: str, read: _Read) -> None:
        """Keep an answer while it is fresh: a list may be long, and nobody may ask again."""
        failed = read.task.cancelled() or read.task.exception() is not None
        if failed:
            self._drop(where, what, read)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(self._fresh_s, self._drop, where, what, read)

    def _drop(self, where: Group, what: str, read: _Read) -> None:
        reads = self._reads.get(where, {})
        if reads.get(what) is read:
            del reads[what]
        if not reads:
            self._reads.pop(where, None)
            self._written.pop(where, None)


async def _await(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
