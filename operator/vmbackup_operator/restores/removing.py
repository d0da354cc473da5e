"""RemainsRemoved: of a session that does not succeed nothing is left that costs anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.model.conditions import is_true
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import Restored, RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.undo import record_of
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken

_LOOK_AGAIN_S = 2.0

#: Has Azure delete a disk that the run made; True once it is gone.
Delete = Callable[[ArmId, RunId], Awaitable[bool]]


async def remove_remains(ground: Ground, session: RestoreSession) -> Taken:
    """Delete what the session made, where it did not succeed and as far as it proves ours."""
    is_recorded = is_true(session.status.conditions, "AccessRevoked")
    return await remove_made(ground, session, ground.disks.delete, keeps=is_recorded)


async def remove_made(
    ground: Ground, session: RestoreSession, delete: Delete, *, keeps: bool
) -> Taken:
    """Delete the VM and the disks, each as *delete* does; with *keeps* what is left is recorded."""
    status = session.status
    if status.run_id is not None:
        ground.restore_works.pop(status.run_id, None)
        ground.copied_points.pop(status.run_id, None)
    restored = status.restored
    if status.achieved:
        return Taken(status, Done("what was restored stays"))
    if restored is None or not restored.disks:
        return Taken(status, Done("nothing was made"))
    if keeps:
        # A crash may have fallen between the record that it stays and the status that says so.
        await ground.undo_records.keep(record_of(session))
    run = run_of(session)
    removed = await _remove_parts(
        ground, session, restored, lambda each: _unless_not_ours(delete(each, run))
    )
    return Taken(status, removed)


async def _remove_parts(
    ground: Ground,
    session: RestoreSession,
    restored: Restored,
    is_gone: Callable[[ArmId], Awaitable[bool]],
) -> Done | Waiting:
    """Delete the VM and its interfaces, then its disks, each as *is_gone* does; say how far."""
    if not await _is_machine_gone(ground, session, restored):
        return Waiting(_LOOK_AGAIN_S, "the VM is to be deleted yet")
    ids = [ArmId(each.disk_id) for each in restored.disks]
    gone = await asyncio.gather(*map(is_gone, ids))
    if not all(gone):
        left = counted(len(gone) - sum(gone), "disk")
        return Waiting(_LOOK_AGAIN_S, f"{left} to be deleted yet")
    return Done(f"{counted(len(ids), 'disk')} of this session are gone")


async def _is_machine_gone(ground: Ground, session: RestoreSession, restored: Restored) -> bool:
    """Delete the VM, then its interfaces: it holds them, and the disks."""
    machine = restored.virtual_machine_id
    stages = ((machine,) if machine is not None else (), restored.network_interface_ids)
    for stage in stages:
        run = run_of(session)
        deleted = (
            _unless_not_ours(ground.machine_parts.delete(ArmId(each), run)) for each in stage
        )
        if not all(await asyncio.gather(*deleted)):
            return False
    return True


async def _unless_not_ours(deletion: Awaitable[bool]) -> bool:
    """Return what the deletion comes to; what somebody else made is none of ours to miss."""
    try:
        return await deletion
    except PermanentError as error:
        if error.reason != "NotOurs":
            raise
        return True
