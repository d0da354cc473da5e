"""Committed: what the worker wrote of each disk takes its slot in the disk's chain.

The operator commits, since whoever reads disks is not trusted with what others have stored: a
worker's word is compared with what lies in the repository.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from vmbackup_core.errors import LostAttempt
from vmbackup_operator.backups.asking import disks_asked, taken_at
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.policies.keeping import kept_until
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import DiskWritten
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.commits import with_commits, without_words
from vmbackup_operator.sessions.steps.repository import same_repository

#: Where an attempt begins whose predecessor wrote what could not be committed.
WRITTEN_AGAIN = "DataTransferred"


async def commit_disks(ground: Ground, session: BackupSession) -> Taken:
    """Commit the next disk that is not; each commit is written down before the next one."""
    status = session.status
    owed = [result for result in status.disks if not result.is_committed]
    if not owed:
        return Taken(status, Done(f"committed: {counted(len(status.disks), 'disk')}"))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(status, repository)
    result = owed[0]
    written = DiskWritten(result.manifest, result.manifest_sha256)
    asked = disks_asked(session)[result.disk]
    until = await _kept_until(ground, session, repository)
    try:
        committed = await ground.points.commit(repository, asked, written, until)
    except LostAttempt as error:
        message = f"disk {result.disk}: {error}"
        again = TryAgain(error.reason, message, again_from=WRITTEN_AGAIN)
        return Taken(without_words(status), again)
    if isinstance(committed, Waiting):
        return Taken(status, committed)
    status = with_commits(status, {result.disk: committed})
    message = f"committed: {len(status.committed)} of {counted(len(status.disks), 'disk')}"
    return Taken(status, Waiting(0, message))


async def _kept_until(
    ground: Ground, session: BackupSession, repository: BackupRepository
) -> datetime | None:
    """Return until when the point is kept, by its rule and its policy's schedule as they are."""
    if repository.spec.immutability is None:
        return None
    spec, policy = session.spec, None
    if spec.policy_ref is not None:
        key = ObjectKey(session.metadata.namespace, spec.policy_ref.name)
        policy = await ground.policies.find(key)
    schedule = None if policy is None else policy.spec.schedule
    moment = taken_at(session, ground.clock.now())
    # In a thread: a rule of ten thousand of everything takes seconds.
    return await asyncio.to_thread(kept_until, spec.retention.rule, schedule, moment)
