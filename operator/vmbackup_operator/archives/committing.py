"""Committed: what the worker wrote of each disk takes its slot in the archive's own chain."""

from __future__ import annotations

from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.archives.works import disks_asked, work_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import DiskWritten
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.commits import with_commits, without_words
from vmbackup_operator.sessions.steps.repository import same_repository

#: Where an attempt begins whose predecessor wrote what could not be committed.
WRITTEN_AGAIN = "DataArchived"


async def commit_disks(ground: Ground, session: BackupSession) -> Taken:
    """Commit the next disk that is not; each commit is written down before the next one."""
    status = session.status
    owed = [result for result in status.disks if not result.is_committed]
    if not owed:
        return Taken(status, Done(f"committed: {counted(len(status.disks), 'disk')}"))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(status, repository)
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(status, work)
    result = owed[0]
    written = DiskWritten(result.manifest, result.manifest_sha256)
    asked = disks_asked(session, work)[result.disk]
    try:
        committed = await ground.points.commit(repository, asked, written)
    except LostAttempt as error:
        message = f"disk {result.disk}: {error}"
        again = TryAgain(error.reason, message, again_from=WRITTEN_AGAIN)
        return Taken(without_words(status), again)
    if isinstance(committed, Waiting):
        return Taken(status, committed)
    status = with_commits(status, {result.disk: committed})
    message = f"committed: {len(status.committed)} of {counted(len(status.disks), 'disk')}"
    return Taken(status, Waiting(0, message))
