"""AccessRevoked: no SAS on a disk of this session works any more; also after failure."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def revoke_access(ground: Ground, session: RestoreSession) -> Taken:
    """End the access to each disk, whether a grant of it was recorded or not."""
    restored = session.status.restored
    if session.status.achieved:
        # It had ended before that; what is done with the disks since is their owner's matter.
        return Taken(session.status, Done("access had ended"))
    if restored is None or not restored.disks:
        return Taken(session.status, Done("no access was granted"))
    ids = [ArmId(each.disk_id) for each in restored.disks]
    left = [each for each in ids if each not in ground.closed]
    ended = await asyncio.gather(*(ground.disks.revoke(each, run_of(session)) for each in left))
    for disk, has_ended in zip(left, ended, strict=True):
        ground.grants.pop(disk, None)
        if has_ended:
            ground.closed.add(disk)
    if not all(ended):
        return Taken(session.status, Waiting(1, "access to the disks is being ended"))
    ground.closed.difference_update(ids)
    disks = tuple(replace(each, disk_access_id=None, expires_at=None) for each in restored.disks)
    status = replace(session.status, restored=replace(restored, disks=disks))
    return Taken(status, Done(f"access to {counted(len(ids), 'disk')} is ended"))
