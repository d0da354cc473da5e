"""SnapshotsReady: the set is taken, and says itself for how long it stays."""

from __future__ import annotations

from vmbackup_operator.backups.retaining.judging import stamp_of
from vmbackup_operator.backups.snapshotting import take_snapshots
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken


async def take_set(ground: Ground, session: BackupSession) -> Taken:
    """Have the set made; Done once every member is whole and its tags verify."""
    return await take_snapshots(ground, session, stamp_of)
