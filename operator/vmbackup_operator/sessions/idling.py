"""Workers that no session needs: stopped where they still run, deleted after their idle time.

Azure is asked when something may have changed: at the operator's start, a while after anything
happened to a session, when the time of a worker comes that was seen idle, and once a day for what
strangers did. Wiring has `IDLE_WORKERS` looked at for the first two; the others are answered here.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.remains import delete_all_queues
from vmbackup_operator.sessions.seen import Region, WorkerSeen, WorkerState

log = logging.getLogger(__name__)

#: No session's name: idle workers are looked after for nobody.
NOBODY = ObjectKey("", "")

#: How soon again where something was done, or was refused.
LOOK_S = 300.0
#: How soon again where something was begun, or could not be yet: as at a start, when nobody has
#: looked at the home region.
LOOK_AGAIN_S = 15.0
#: How soon again where nothing is expected: somebody else may have started a worker, or made one.
UNEXPECTED_S = 24 * 3600.0
#: A worker may run without a session for this long: one session hands it to the next.
HANDOVER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """Where workers of a region are."""

    subscription_id: str
    resource_group: str


class IdleWorkers:
    """Looks after the workers of every region."""

    def __init__(
        self, ground: Ground, groups: Callable[[], Awaitable[Sequence[WorkerGroup]]]
    ) -> None:
        self._ground = ground
        self._groups = groups
        #: The workers of each group by their state, as they were listed the last time.
        self._listed: dict[WorkerGroup, Counter[WorkerState]] | None = None

    def states(self) -> Mapping[str, int] | None:
        """Return how many workers there were in each state when one looked last, None before."""
        if self._listed is None:
            return None
        counts = sum(self._listed.values(), Counter[WorkerState]())
        return {state: counts[state] for state in get_args(WorkerState)}

    async def reconcile(self) -> Outcome:
        """Have what is idle stopped or deleted; one pass over all regions."""
        again_s, groups = UNEXPECTED_S, await self._groups()
        before = {} if self._listed is None else self._listed
        self._listed = {group: before[group] for group in groups if group in before}
        for group in groups:
            try:
                again_s = min(again_s, await self._look(group))
            except VmbackupError as error:
                # What one region refuses must not leave another one's workers running.
                log.warning("idle workers of %s: %s", group.resource_group, error)
                again_s = min(again_s, LOOK_S)
        return Waiting(again_s, "idle workers are looked for again")

    async def _look(self, group: WorkerGroup) -> float:
        """Take a step for each worker of the group; tell how soon the next one may be due."""
        ground = self._ground
        workers = await ground.workers.of_group(group.subscription_id, group.resource_group)
        if self._listed is not None:
            self._listed[group] = Counter(worker.state for worker in workers)
        return min([await self._step(worker) for worker in workers], default=UNEXPECTED_S)

    async def _step(self, worker: WorkerSeen) -> float:
        """Do what is due to the worker; tell how soon the next thing may be."""
        ground = self._ground
        if worker.doubt:
            log.warning("worker %s is left alone: %s", worker.id, worker.doubt)
            return UNEXPECTED_S
        now = ground.clock.now()
        idle_for = timedelta(seconds=ground.settings.workers.idle_ttl_seconds)
        wanted = fate(worker, now, idle_for)
        if wanted == "keep" and worker.outdated:
            await self._seal(worker)
        if ground.allocator.holder_of(worker.id, NOBODY) is not None:
            return UNEXPECTED_S  # until something happens to its session
        if wanted == "keep":
            left = time_left(worker, now, idle_for).total_seconds()
            return min(max(left, LOOK_AGAIN_S), UNEXPECTED_S)
        ground.allocator.leave(worker.id, NOBODY)
        try:
            settled = await (self._stop(worker) if wanted == "stop" else self._delete(worker))
        finally:
            ground.allocator.left(worker.id, NOBODY)
        return LOOK_S if settled else LOOK_AGAIN_S

    async def _stop(self, worker: WorkerSeen) -> bool:
        await self._delete_queues(worker)
        return await self._ground.workers.deallocate(worker.vm_id)

    async def _seal(self, worker: WorkerSeen) -> None:
        """Seal the worker by the newest key, so that the older one may leave the ring.

        One that is given to somebody meanwhile is none the worse for it.
        """
        if worker.state in {"running", "deallocated"} and await self._ground.workers.seal(
            worker.vm_id
        ):
            log.info("worker %s is sealed by the newest key", worker.id)

    async def _delete(self, worker: WorkerSeen) -> bool:
        # Its queues first: a worker that has gone would not lead to them any more.
        if not await self._delete_queues(worker):
            return False
        gone = await self._ground.workers.delete(worker.vm_id)
        if gone:
            log.info("worker %s: deleted, nobody needed it", worker.id)
        return gone

    async def _delete_queues(self, worker: WorkerSeen) -> bool:
        """Delete what its launches left, and tell whether it could be: they go with sessions.

        But for one whose finalizer somebody took off, or that gave its worker back and ended.
        """
        home = await self._ground.regions.recall_home()
        if not isinstance(home, Region):
            return False
        await delete_all_queues(self._ground, home.account, worker.id)
        return True


def fate(
    worker: WorkerSeen, now: datetime, idle_for: timedelta
) -> Literal["keep", "stop", "delete"]:
    """Return what is to become of *worker* where no session has it."""
    if worker.state == "failed":
        return "delete"
    if worker.changed_at is None:
        return "keep"
    idle = now - worker.changed_at
    if worker.state == "deallocated" and idle > idle_for:
        return "delete"
    return "stop" if worker.state == "running" and idle > HANDOVER else "keep"


def time_left(worker: WorkerSeen, now: datetime, idle_for: timedelta) -> timedelta:
    """Return how soon something else may become of a *worker* that is kept, and no session has."""
    if worker.changed_at is None or worker.state not in {"running", "deallocated"}:
        # Something is under way with it.
        return HANDOVER
    allowed = HANDOVER if worker.state == "running" else idle_for
    return worker.changed_at + allowed - now + timedelta(seconds=1)
