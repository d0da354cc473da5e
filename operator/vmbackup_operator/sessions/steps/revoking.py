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
from vmbackup_operator.sessions.steps.closing import end_access, exports_of_others

_NONE = "no access was granted"


async def revoke_access(ground: Ground, session: Session) -> Taken:
    """End the access to each snapshot, whether a grant of it was recorded or not."""
    recorded = [ArmId(export.snapshot_id) for export in session.status.exports]
    # A crash may have fallen between a grant and its record: the ids are computed, all are ended.
    named = list(dict.fromkeys([*recorded, *exported_ids(ground.settings, session)]))
    ids = [each for each in named if not _is_read_by_another(ground, session, each)]
    if not await end_access(ground, ids):
        return Taken(session.status, Waiting(1, "access to the snapshots is being ended"))
    message = f"access to {counted(len(ids), 'snapshot')} is ended" if named else _NONE
    if len(ids) < len(named):
        left = counted(len(named) - len(ids), "snapshot")
        message += f"; {left} still read by another session, which ends it"
    return Taken(replace(session.status, exports=()), Done(message))


def _is_read_by_another(ground: Ground, session: Session, snapshot: ArmId) -> bool:
    return any(True for _ in exports_of_others(ground, session, snapshot))
