"""Takes away what nobody needs; asked again until it is gone."""

from __future__ import annotations

from typing import assert_never

from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.idling import NOBODY
from vmbackup_operator.sweeping.ports import Remains
from vmbackup_operator.sweeping.things import (
    LeftCommand,
    LeftMessages,
    LeftParts,
    LeftQueue,
    LeftSnapshot,
    LeftUpload,
    LeftWorker,
    OldBundle,
    OpenAccess,
    Thing,
)


async def remove(ground: Ground, remains: Remains, thing: Thing) -> bool:
    """Have *thing* gone; True once it is. The adapters prove once more that it is ours."""
    match thing:
        case OpenAccess():
            return await ground.snapshots.revoke(thing.snapshot_id)
        case LeftSnapshot() | LeftUpload():
            return await _delete_once_closed(ground, thing)
        case LeftWorker() | LeftParts():
            return await _delete_worker(ground, thing)
        case LeftCommand():
            await ground.commands.delete(thing.vm_id, thing.name)
        case LeftQueue():
            await ground.queues.delete(thing.account, thing.name)
        case LeftMessages():
            await ground.queues.delete_spilled(thing.account, thing.prefix)
        case OldBundle():
            await remains.delete_bundle(thing.account, thing.folder)
        case _:
            assert_never(thing)
    return True


async def _delete_worker(ground: Ground, thing: LeftWorker | LeftParts) -> bool:
    """Delete VM, interface and disk; one that was given to a session meanwhile is let be."""
    if ground.allocator.leave(thing.worker, NOBODY) is not None:
        return True
    try:
        return await ground.workers.delete(thing.vm_id)
    finally:
        ground.allocator.left(thing.worker, NOBODY)


async def _delete_once_closed(ground: Ground, thing: LeftSnapshot | LeftUpload) -> bool:
    """Delete what a SAS may open: Azure deletes nothing that one still does."""
    if isinstance(thing, LeftUpload):
        closed = await ground.disks.revoke(thing.disk_id, thing.run_id)
        return closed and await ground.disks.delete(thing.disk_id, thing.run_id)
    if thing.exported and not await ground.snapshots.revoke(thing.snapshot_id):
        return False
    return await ground.snapshots.delete(thing.snapshot_id)
