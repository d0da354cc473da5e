"""Committed: what the worker wrote of each disk takes its slot in the disk's chain."""

from __future__ import annotations

from vmbackup_operator.backups.asking import disks_asked, taken_at
from vmbackup_operator.backups.keeping import end_of
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.committing import commit_next, repository_to_commit_in
from vmbackup_operator.sessions.steps.keeping import kept_as_known

#: Where an attempt begins whose predecessor wrote what could not be committed.
WRITTEN_AGAIN = "DataTransferred"


async def commit_disks(ground: Ground, session: BackupSession) -> Taken:
    """Commit the next disk that is not; each commit is written down before the next one."""
    repository = await repository_to_commit_in(ground, session)
    if isinstance(repository, Taken):
        return repository
    moment = taken_at(session, ground.clock.now())
    until = await kept_as_known(ground, session, repository, moment, end_of)
    asked = disks_asked(session)
    return await commit_next(ground, session, repository, asked, WRITTEN_AGAIN, until)
