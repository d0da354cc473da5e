"""AccessRevoked: no SAS on any snapshot of this session works any more; also after failure."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import snapshot_ids
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def revoke_access(ground: Ground, session: Session) -> Taken:
    """End the access to each snapshot, whether a grant of it was recorded or not."""
    recorded = [ArmId(export.snapshot_id) for export in session.status.exports]
    # A crash may have fallen between a grant and its record: the ids are computed, all are ended.
    ids = list(dict.fromkeys([*recorded, *snapshot_ids(ground.settings.appliance, session)]))
    ended = await asyncio.gather(*map(ground.snapshots.revoke, ids))
    if not all(ended):
        return Taken(session.status, Waiting(1, "access to the snapshots is being ended"))
    for snapshot in ids:
        ground.grants.pop(snapshot, None)
    told = f"access to {counted(len(ids), 'snapshot')} is ended"
    message = told if ids else "no access was granted"
    return Taken(replace(session.status, exports=()), Done(message))
