"""Committed: what the worker wrote of each disk takes its slot in the disk's chain.

The operator commits, since whoever reads disks is not trusted with what others have stored: a
worker's word is compared with what lies in the repository.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.primitives.parsed_names import name_in_chain
from vmbackup_operator.backups.asking import disks_asked, taken_at
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import DiskResult
from vmbackup_operator.policies.keeping import kept_until
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import DiskWritten
from vmbackup_operator.sessions.step import Taken, TryAgain
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


def with_commits(
    status: BackupSessionStatus, commits: dict[str, CommittedDisk]
) -> BackupSessionStatus:
    """Return *status* with these commits, by the positions of their disks."""
    results = {result.disk: result for result in status.disks}
    results |= {disk: _result(disk, commit, results.get(disk)) for disk, commit in commits.items()}
    disks = tuple(results.values())
    progress = status.progress
    if progress is not None and all(result.is_committed for result in disks):
        stored = sum(result.stored_bytes for result in disks)
        progress = replace(progress, bytes_stored=stored)
    return replace(status, disks=disks, progress=progress)


def without_words(status: BackupSessionStatus) -> BackupSessionStatus:
    """Return *status* without what workers said of disks that are not committed."""
    committed = tuple(result for result in status.disks if result.is_committed)
    return replace(status, disks=committed, progress=None)


def _result(disk: str, commit: CommittedDisk, said: DiskResult | None) -> DiskResult:
    read_bytes = commit.statistics.read_bytes
    return DiskResult(
        disk=disk,
        manifest=name_in_chain(commit.chain, commit.manifest),
        manifest_sha256=commit.manifest_sha256,
        # The worker knows what of the blocks was allocated at all; the commit counts whole ones.
        read_bytes=read_bytes if said is None else min(said.read_bytes, read_bytes),
        changed_bytes=None if said is None else said.changed_bytes,
        new_blocks=commit.statistics.new_blocks,
        kind=commit.kind,
        stored_bytes=commit.stored_bytes,
        chain_id=commit.chain,
        slot=commit.slot,
        commit_digest=commit.sha256,
    )
