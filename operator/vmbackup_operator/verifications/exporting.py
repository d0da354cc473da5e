"""ExportGranted: the snapshots that blocks are compared with can be read, those that are there."""

from __future__ import annotations

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import resolved_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.exporting import grant_what_is_there
from vmbackup_operator.verifications.retained import without_lost


async def export_samples(ground: Ground, session: BackupSession) -> Taken:
    """Have access granted to each snapshot of the sample; one that goes meanwhile is left out."""
    if not resolved_of(session).retained:
        return Taken(session.status, Done("no snapshot is compared with"))
    return await grant_what_is_there(ground, session, without_lost, "a snapshot is gone")
