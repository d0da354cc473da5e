"""A session's disks in its repository: what its run has committed, what a worker is given, commits.

The operator commits, since whoever reads disks is not trusted with what others have stored: a
worker's word is compared with what lies in the repository. Disks go by their positions; what is
asked of each is for the step of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import DiskWritten
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.commits import with_commits, without_words
from vmbackup_operator.sessions.steps.repository import same_repository


async def find_committed(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    asked: Mapping[str, DiskAsked],
) -> Taken | None:
    """Return the session with the commits that its run has made already; None where none is news.

    A session that has lost its status, or died behind a commit, reads no disk again for it.
    """
    found = await ground.points.find_committed(repository, list(asked.values()))
    if isinstance(found, Waiting):
        return Taken(session.status, found)
    commits = {disk: each for disk, each in zip(asked, found, strict=True) if each is not None}
    if not commits:
        return None
    status = with_commits(session.status, commits)
    return Taken(status, Waiting(0, f"committed already: {counted(len(commits), 'disk')}"))


async def prepare_disks(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    asked: Mapping[str, DiskAsked],
) -> Mapping[str, PreparedDisk] | Taken:
    """Return what a worker is given of each disk that it is to write, or what is waited for."""
    prepared = await ground.points.prepare(repository, list(asked.values()))
    if isinstance(prepared, Waiting):
        return Taken(session.status, prepared)
    return dict(zip(asked, prepared, strict=True))


async def repository_to_commit_in(
    ground: Ground, session: BackupSession
) -> BackupRepository | Taken:
    """Return the session's repository; Done where every disk is committed."""
    status = session.status
    if all(result.is_committed for result in status.disks):
        return Taken(status, Done(f"committed: {counted(len(status.disks), 'disk')}"))
    repository = await same_repository(ground, session)
    if isinstance(repository, BackupRepository):
        return repository
    return Taken(status, repository)


async def commit_next(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    asked: Mapping[str, DiskAsked],
    again_from: str,
    until: datetime | None = None,
) -> Taken:
    """Commit the next disk that is not; each commit is written down before the next one.

    Where what was written cannot be committed, another attempt begins at *again_from*. *until* is
    when the recovery point is no longer kept, for a repository that locks what counts.
    """
    status = session.status
    result = next(each for each in status.disks if not each.is_committed)
    written = DiskWritten(result.manifest, result.manifest_sha256)
    try:
        committed = await ground.points.commit(repository, asked[result.disk], written, until)
    except LostAttempt as error:
        message = f"disk {result.disk}: {error}"
        again = TryAgain(error.reason, message, again_from=again_from)
        return Taken(without_words(status), again)
    if isinstance(committed, Waiting):
        return Taken(status, committed)
    status = with_commits(status, {result.disk: committed})
    message = f"committed: {len(status.committed)} of {counted(len(status.disks), 'disk')}"
    return Taken(status, Waiting(0, message))
