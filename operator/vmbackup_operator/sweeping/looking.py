"""Collects what is there: nothing is decided here, and nothing is changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SnapshotSeen, WorkerSeen
from vmbackup_operator.sessions.snapshot_sets import all_snapshots
from vmbackup_operator.sessions.tags import MemberFacts, TagsNotGenuine, open_tags
from vmbackup_operator.sweeping.ports import Remains
from vmbackup_operator.sweeping.things import (
    LeftCommand,
    LeftMessages,
    LeftQueue,
    LeftSnapshot,
    LeftWorker,
    OldBundle,
    OpenAccess,
    Place,
    Thing,
)

log = logging.getLogger(__name__)


async def look_around(ground: Ground, remains: Remains) -> list[Thing]:
    """Return all that sessions may have left; what can't be looked at in one place is left out."""
    found = [*await _snapshots(ground), *await _uploads(ground, remains)]
    for place in await remains.places():
        for look in (_workers, _parts, _bundles, _conversations):
            try:
                found += [thing async for thing in look(ground, remains, place)]
            except VmbackupError as error:
                # What one region refuses must not hide what another one has.
                log.warning("the sweeper does not see all of %s: %s", place.region, error)
    return found


async def _snapshots(ground: Ground) -> list[Thing]:
    found = list[Thing]()
    for seen in await all_snapshots(ground):
        facts = _facts_of(ground, seen)
        if facts is None:
            continue  # what does not prove to be ours is told of by the sessions of its VM
        if seen.exported:
            found.append(OpenAccess(seen.id, seen.unique_id))
        snapshot = LeftSnapshot(
            seen.id, seen.unique_id, facts.run_id, facts.repository_id, facts.alone, seen.exported
        )
        found.append(snapshot)
    return found


async def _uploads(ground: Ground, remains: Remains) -> list[Thing]:
    """Return disks of restores wherever tenants may restore into, as far as that can be listed."""
    found = list[Thing]()
    for place in ground.settings.restore_places:
        try:
            found += await remains.uploads(*place)
        except VmbackupError as error:
            log.warning("the sweeper does not see the disks in %s: %s", place[1] or place[0], error)
    return found


def _facts_of(ground: Ground, seen: SnapshotSeen) -> MemberFacts | None:
    try:
        return open_tags(ground.ring, seen.id, seen.tags)
    except TagsNotGenuine:
        return None


async def _workers(ground: Ground, remains: Remains, place: Place) -> AsyncIterator[Thing]:
    """Yield the commands on the place's workers, and workers that nobody looks after."""
    workers: Sequence[WorkerSeen]
    workers = await ground.workers.of_group(place.subscription_id, place.resource_group)
    ours = [each for each in workers if not each.doubt]
    for worker, names in zip(
        ours, await asyncio.gather(*(remains.commands(each.vm_id) for each in ours)), strict=True
    ):
        if not place.looked_after:
            yield LeftWorker(worker.vm_id, worker.id)
        for name in names:
            yield LeftCommand(worker.vm_id, name)


async def _parts(_ground: Ground, remains: Remains, place: Place) -> AsyncIterator[Thing]:
    for parts in await remains.parts(place):
        yield parts


async def _bundles(_ground: Ground, remains: Remains, place: Place) -> AsyncIterator[Thing]:
    for folder in await remains.old_bundles(place.account):
        yield OldBundle(place.account, folder)


async def _conversations(_ground: Ground, remains: Remains, place: Place) -> AsyncIterator[Thing]:
    """Yield queues and messages of workers, which are in the home region's account alone."""
    if not place.is_home:
        return
    for queue in await remains.queues(place.account):
        yield LeftQueue(place.account, queue)
    for prefix in await remains.messages(place.account):
        yield LeftMessages(place.account, prefix)
