"""The picture as wiring makes it: of the queue, of who looks at Azure, and of daily lists."""

from __future__ import annotations

import asyncio

from tests.unit.metrics.told import LAST_SLOT, backup
from tests.unit.sweeping.swept import Swept
from tests.worlds.memory_azure import APPLIANCE
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.reconciling.queue import WorkQueue
from vmbackup_operator.reconciling.work import Work
from vmbackup_operator.sessions.idling import IdleWorkers, WorkerGroup
from vmbackup_operator.wiring.pictured import LIST_S, lists_all, picture_of

SECONDS = 1.0


async def no_groups() -> list[WorkerGroup]:
    return []


async def test_it_has_the_queue_and_what_each_looker_saw_last() -> None:
    async def later(_work: Work) -> Outcome:
        return Waiting(60, "later")

    swept, queue = Swept(), WorkQueue(later)
    idle = IdleWorkers(swept.world.ground, no_groups)
    ground = swept.world.ground
    picture = picture_of(APPLIANCE, swept.world.clock, ground.book, queue, (idle, swept.sweeper))
    before = picture.facts()
    for name in ("one", "two"):
        queue.add(Work("BackupSession", ObjectKey("team", name)))
    async with queue.running():
        await asyncio.sleep(SECONDS)
        waiting = picture.facts().queue
    await idle.reconcile()
    await swept.look()

    after = picture.facts()
    assert (before.workers, before.orphans) == (None, None)
    assert waiting == {("BackupSession", "waiting"): 2}
    assert after.workers is not None
    assert sum(after.workers.values()) == 0
    assert after.orphans is not None
    assert after.orphans.looked == swept.world.clock.now()


async def test_all_sessions_are_listed_once_a_day_for_those_that_strangers_deleted() -> None:
    swept = Swept()
    book = swept.world.ground.book
    book.ended.note(backup("web-01", LAST_SLOT))

    async def list_backups() -> None:
        book.ended.take_list([], lambda each: each.type != "Restore")

    listed: list[str] = []

    async def list_restores() -> None:
        listed.append("restores")

    outcome = await lists_all(list_backups, list_restores)()

    assert isinstance(outcome, Waiting)
    assert outcome.seconds == LIST_S
    assert listed == ["restores"]
    assert book.ended.all() == ()
