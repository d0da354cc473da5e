"""Committed: what the worker wrote of each disk takes its slot in the archive's own chain."""

from __future__ import annotations

from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.archives.keeping import end_of
from vmbackup_operator.archives.works import disks_asked, work_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.committing import commit_next, repository_to_commit_in
from vmbackup_operator.sessions.steps.keeping import kept_as_known

#: Where an attempt begins whose predecessor wrote what could not be committed.
WRITTEN_AGAIN = "DataArchived"


async def commit_disks(ground: Ground, session: BackupSession) -> Taken:
    """Commit the next disk that is not; each commit is written down before the next one."""
    repository = await repository_to_commit_in(ground, session)
    if isinstance(repository, Taken):
        return repository
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    moment = work.point.created_at
    until = await kept_as_known(ground, session, repository, moment, end_of)
    asked = disks_asked(session, work)
    return await commit_next(ground, session, repository, asked, WRITTEN_AGAIN, until)
