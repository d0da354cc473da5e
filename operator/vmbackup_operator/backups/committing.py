"""Committed: what the worker wrote of each disk takes its slot in the disk's chain."""

from __future__ import annotations

import asyncio
from datetime import datetime

from vmbackup_operator.backups.asking import disks_asked, taken_at
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.policies.keeping import kept_until
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.committing import commit_next, repository_to_commit_in

#: Where an attempt begins whose predecessor wrote what could not be committed.
WRITTEN_AGAIN = "DataTransferred"


async def commit_disks(ground: Ground, session: BackupSession) -> Taken:
    """Commit the next disk that is not; each commit is written down before the next one."""
    repository = await repository_to_commit_in(ground, session)
    if isinstance(repository, Taken):
        return repository
    until = await _kept_until(ground, session, repository)
    asked = disks_asked(session)
    return await commit_next(ground, session, repository, asked, WRITTEN_AGAIN, until)


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
