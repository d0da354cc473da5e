"""ExportGranted: the set can be read, and the snapshots that its changes are counted from."""

from __future__ import annotations

from vmbackup_operator.backups.tracking import GONE, without_lost
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.exporting import grant_what_is_there


async def export_snapshots(ground: Ground, session: BackupSession) -> Taken:
    """Have access granted to each; the disk of a predecessor that is gone is read whole."""
    return await grant_what_is_there(ground, session, without_lost, GONE)
