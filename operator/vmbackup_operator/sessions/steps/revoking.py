"""AccessRevoked: no SAS on any snapshot of this session works any more; also after failure."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import exported_ids
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.closing import end_access


async def revoke_access(ground: Ground, session: Session) -> Taken:
    """End the access to each snapshot, whether a grant of it was recorded or not."""
    recorded = [ArmId(export.snapshot_id) for export in session.status.exports]
    # A crash may have fallen between a grant and its record: the ids are computed, all are ended.
    ids = list(dict.fromkeys([*recorded, *exported_ids(ground.settings.appliance, session)]))
    if not await end_access(ground, ids):
        return Taken(session.status, Waiting(1, "access to the snapshots is being ended"))
    told = f"access to {counted(len(ids), 'snapshot')} is ended"
    message = told if ids else "no access was granted"
    return Taken(replace(session.status, exports=()), Done(message))
