"""Thousands of sessions over the memory world: ``python -m tools.bench.scale [SESSIONS]``.

A process of its own, so that its memory is its own: first what the imports cost, then the operator
that idles, then with every session unfinished. The world's own memory is weighed in another one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.bench.api_server import ApiServer
from tools.bench.figures import latencies, per_session, per_thousand
from tools.bench.fleet import (
    Fleet,
    Size,
    put_repository,
    session_document,
    session_path,
    sessions_of,
)
from tools.bench.limited_azure import Surroundings
from tools.bench.limits import ResourceManager
from tools.bench.measured_operator import MeasuredOperator
from tools.bench.memory import resident_mb, store_world, weigh
from tools.bench.turned_time import ComputedClock, TurnedLoop
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.shared_reads import SharedReads

_LOOK_S = 5.0
_TELL_S = 600.0
_IDLE_S = 60.0
#: When most have been accepted, and nearly none has ended: memory is weighed then.
_WEIGHED_AT_S = 600.0
_LIMIT_S = 7 * 24 * 3600.0


def measure(sessions: int = 5000) -> dict[str, Any]:
    """Return the figures, measured in a process of its own."""
    command = [sys.executable, "-m", "tools.bench.scale", str(sessions)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Run:
    """One operator over one world, and the loop that both live in."""

    def __init__(self, size: Size) -> None:
        self.clock = ComputedClock()
        self.loop = TurnedLoop(self.clock)
        self.loop.set_exception_handler(self._met)
        self._mistakes: list[str] = []
        self._told_s = 0.0
        with self.clock.in_the_world():
            self.fleet = Fleet(size, self.clock)
            self.server = ApiServer(self.clock)
            self.manager = ResourceManager(self.clock)
        reads, self.operations = SharedReads(self.clock), Operations()
        around = Surroundings(self.fleet.azure, self.clock, self.manager, reads, self.operations)
        self.measured = MeasuredOperator(self.fleet, self.server, around)
        self.unfinished: set[ObjectKey] = set()
        self.ended_s: dict[ObjectKey, float] = {}
        self.outcomes: Counter[str] = Counter()
        self.measured.ended = self._ended

    def put(self, sessions: Iterable[tuple[ObjectKey, ArmId]]) -> None:
        """Have users write *sessions*, all at once."""
        with self.clock.in_the_world():
            for key, vm_id in sessions:
                self.server.put(session_path(key), session_document(key, vm_id))
                self.unfinished.add(key)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the operator work for as long as the context lasts."""
        intake = asyncio.create_task(self.measured.intake.run())
        async with self.measured.operator.queue.running():
            yield
        intake.cancel()
        await asyncio.gather(intake, return_exceptions=True)
        await self.operations.close()

    async def pause(self, seconds: float) -> None:
        """Let so much time pass."""
        until_s = self.clock.monotonic_s() + seconds
        await self._until(lambda: self.clock.monotonic_s() >= until_s)

    def forget_requests(self) -> None:
        """Count what is asked from here on."""
        for counter in (self.manager.kinds, self.manager.requests, self.measured.queues.requests):
            counter.clear()
        self.server.reads.clear()
        self.server.writes.clear()

    def _ended(self, key: ObjectKey, outcome: str) -> None:
        if key in self.unfinished:
            self.unfinished.discard(key)
            self.ended_s[key] = self.clock.monotonic_s()
            self.outcomes[outcome] += 1

    async def until_all_ended(self) -> None:
        """Return when every session has its outcome."""
        await self._until(lambda: not self.unfinished)

    async def until_ended(self, key: ObjectKey) -> None:
        """Return when that session has its outcome."""
        await self._until(lambda: key in self.ended_s)

    async def until(self, moment_s: float) -> None:
        """Return at the moment, or when all have ended before."""
        await self._until(lambda: not self.unfinished or self.clock.monotonic_s() >= moment_s)

    def _met(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._mistakes.append(repr(context.get("exception") or context["message"]))

    def _tell(self) -> None:
        """Say now and then how far it is."""
        now_s = self.clock.monotonic_s()
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            counts = f"{len(self.ended_s)} ended, {len(self.unfinished)} unfinished"
            computed = f"{self.clock.computed_s:.0f} s of processor time"
            asked = f"{self.manager.requests.total()} requests {self.manager.kinds.most_common(4)}"
            sys.stderr.write(f"{now_s:.0f} s turned, {computed}: {counts}, {asked}\n")

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self._mistakes or self.clock.monotonic_s() > _LIMIT_S:
                raise RuntimeError(f"{len(self.unfinished)} do not end: {self._mistakes}")
            await asyncio.sleep(_LOOK_S)
            self._tell()


async def _scale(run: Run, found: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        async with run.running():
            await run.pause(_IDLE_S)
            found["rss_idle_mb"] = round(resident_mb(), 1)
            idle_s = run.clock.monotonic_s()
            run.put(sessions_of(run.fleet.size))
            await run.until(idle_s + _WEIGHED_AT_S)
            found |= _weighed(run, found["rss_idle_mb"], Path(folder))
            sys.stderr.write(json.dumps(found) + "\n")
            await run.until_all_ended()
            found["seconds"] = round(run.clock.monotonic_s() - idle_s, 1)
    found |= _counted(run, idle_s + _WEIGHED_AT_S)


def _weighed(run: Run, idle_mb: float, folder: Path) -> dict[str, Any]:
    """Return what the unfinished sessions take in memory."""
    with run.clock.in_the_world():
        full_mb = resident_mb()
        stored = run.fleet.points.containers.all()
        world = (run.fleet.azure, run.fleet.queues, *stored, run.server)
        store_world(world, folder / "w")
        world_mb = weigh(folder / "w")
    unfinished = len(run.measured.book.unfinished())
    return {
        "rss_full_mb": round(full_mb, 1),
        "world_mb": round(world_mb, 1),
        "unfinished_when_weighed": unfinished,
        "rss_mb_per_1000": per_thousand(idle_mb, full_mb, world_mb, max(1, unfinished)),
    }


def _counted(run: Run, burst_until_s: float) -> dict[str, Any]:
    """Return what was asked, and how long changes waited."""
    sessions, operator = len(run.ended_s), run.measured.operator
    waits = latencies(operator.waits, burst_until_s)
    manager, server = run.manager, run.server
    return {
        "outcomes": dict(run.outcomes),
        "processor_s": round(run.clock.computed_s, 1),
        "looks_per_session": round(operator.looks / sessions, 1),
        "p99_change_to_reconcile_s": waits.pop("p99"),
        "change_to_reconcile_s": waits,
        "arm_requests": dict(manager.requests),
        "arm_requests_per_session": {
            kind: round(count / sessions, 2) for kind, count in manager.kinds.most_common()
        },
        "arm_requests_before_retry_after": manager.before_retry_after,
        "kubernetes_reads_per_session": per_session(server.reads, sessions),
        "kubernetes_writes_per_session": per_session(server.writes, sessions),
        "kubernetes_by_kind": dict((server.reads + server.writes).most_common()),
        "queue_requests_per_session": per_session(run.measured.queues.requests, sessions),
    }


def main(arguments: list[str]) -> int:
    """Measure and print."""
    logging.disable(logging.INFO)
    found: dict[str, Any] = {"rss_imports_mb": round(resident_mb(), 1)}
    began_s = time.monotonic()
    run = Run(Size(sessions=int(arguments[0]), machines=max(1, int(arguments[0]) // 5)))
    run.loop.run_until_complete(_with_repository(run, found))
    found["wall_s"] = round(time.monotonic() - began_s, 1)
    print(json.dumps(found, indent=2))
    return 0


async def _with_repository(run: Run, found: dict[str, Any]) -> None:
    with run.clock.in_the_world():
        put_repository(run.server)
    await _scale(run, found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
