"""Workers that no session needs: stopped where they still run, deleted after their idle time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.remains import delete_all_queues
from vmbackup_operator.sessions.seen import Region, WorkerSeen

log = logging.getLogger(__name__)

#: No session's name: idle workers are looked after for nobody.
NOBODY = ObjectKey("", "")

#: How often idle workers are looked for.
LOOK_S = 300.0
#: How soon again where something was begun, or could not be yet: as at a start, when nobody has
#: looked at the home region.
LOOK_AGAIN_S = 15.0
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

    async def reconcile(self) -> Outcome:
        """Have what is idle stopped or deleted; one pass over all regions."""
        settled = True
        for group in await self._groups():
            try:
                settled &= await self._look(group)
            except VmbackupError as error:
                # What one region refuses must not leave another one's workers running.
                log.warning("idle workers of %s: %s", group.resource_group, error)
        again_s = LOOK_S if settled else LOOK_AGAIN_S
        return Waiting(again_s, "idle workers are looked for again")

    async def _look(self, group: WorkerGroup) -> bool:
        """Take a step for each worker of the group; tell whether nothing is left to do soon."""
        ground = self._ground
        workers = await ground.workers.of_group(group.subscription_id, group.resource_group)
        idle_for = timedelta(seconds=ground.settings.workers.idle_ttl_seconds)
        now, settled = ground.clock.now(), True
        for worker in workers:
            if worker.doubt:
                log.warning("worker %s is left alone: %s", worker.id, worker.doubt)
                continue
            wanted = fate(worker, now, idle_for)
            if wanted == "keep" and worker.outdated:
                await self._seal(worker)
            if wanted == "keep" or ground.allocator.leave(worker.id, NOBODY) is not None:
                continue
            try:
                if wanted == "stop":
                    await self._delete_queues(worker)
                    settled &= await ground.workers.deallocate(worker.vm_id)
                else:
                    settled &= await self._delete(worker)
            finally:
                ground.allocator.left(worker.id)
        return settled

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
