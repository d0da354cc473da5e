"""ExportGranted: the set can be read, and the snapshots that its changes are counted from."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_operator.backups.tracking import without_lost
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.exporting import grant_export

_GONE = "a predecessor is gone: its disk is read whole"


async def export_snapshots(ground: Ground, session: BackupSession) -> Taken:
    """Have access granted to each; the disk of a predecessor that is gone is read whole."""
    status = await without_lost(ground, session)
    if status is not None:
        return Taken(status, Waiting(0, _GONE))
    try:
        return await grant_export(ground, session)
    except PermanentError:
        # Deleted between the two looks: then it is that, and nothing that anybody refuses.
        status = await without_lost(ground, session)
        if status is None:
            raise
    return Taken(status, Waiting(0, _GONE))
