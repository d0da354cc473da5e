"""DataTransferred: the worker reads, compresses and stores; its answers come through the intake."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import (
    BackupJob,
    DiskToBackUp,
    RepositoryAccess,
)
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_operator.backups.asking import disks_asked
from vmbackup_operator.backups.tracking import GONE, settle_full_reads, without_bases, without_lost
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session_findings import (
    Predecessor,
    ResolvedDisk,
    SessionWorker,
    SnapshotMember,
)
from vmbackup_operator.model.tiers import written_into
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import (
    backup_job,
    members_of,
    predecessors_of,
    repository_of,
    resolved_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SecretUrl
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.committing import find_committed, prepare_disks
from vmbackup_operator.sessions.steps.exporting import grants_of
from vmbackup_operator.sessions.steps.jobs import (
    container_url,
    follow_worker,
    give_job,
    judge_failure,
)
from vmbackup_operator.sessions.steps.repository import same_repository

#: The worker's word for a base that does not open: the next attempt's job names none.
_BASE_UNREADABLE = "BaseUnreadable"


@dataclass(frozen=True, slots=True)
class _Given:
    """What a job is made of: a disk's snapshot as it is read, and the disk as it is written."""

    prepared: Mapping[str, PreparedDisk]
    grants: Mapping[ArmId, SecretUrl]


async def transfer(ground: Ground, session: BackupSession) -> Taken:
    """Give the worker its job and wait for its result; replace it where it has fallen silent."""
    status = session.status
    if status.written >= {disk.position for disk in resolved_of(session).disks}:
        waiting = await settle_full_reads(ground, session)
        return Taken(status, waiting or Done(f"written: {counted(len(status.written), 'disk')}"))
    judge = partial(judge_failure, passing={_BASE_UNREADABLE})
    worker = await follow_worker(ground, session, _moving(session), judge)
    return worker if isinstance(worker, Taken) else await _give_job(ground, session, worker)


def _moving(session: BackupSession) -> str:
    return f"moves {counted(len(_owed(session)), 'disk')}"


async def _give_job(ground: Ground, session: BackupSession, worker: SessionWorker) -> Taken:
    """Seal the job with credentials that are good for a while, and put it in the worker's queue."""
    status = session.status
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(status, home)
    grants = await _grants(ground, session)
    if isinstance(grants, Taken):
        return grants
    prepared = await _prepare(ground, session, worker)
    if isinstance(prepared, Taken):
        return prepared
    # What the job holds was granted before or is signed after this: it ends no sooner than that.
    ends = [ground.repository_access_until(), *(each.expires_at for each in status.exports)]
    job = await _job(ground, session, _Given(prepared, grants))
    soonest = min(end for end in ends if end is not None)
    return await give_job(ground, session, home, job, soonest, _moving(session))


async def _grants(ground: Ground, session: BackupSession) -> Mapping[ArmId, SecretUrl] | Taken:
    """Return the SAS of the set and of its predecessors, those that are there."""
    status = await without_lost(ground, session)
    if status is not None:
        return Taken(status, Waiting(0, GONE))
    return await grants_of(ground, session)


def _owed(session: BackupSession) -> list[tuple[SnapshotMember, ResolvedDisk]]:
    """Return the members of the session's set whose disks no commit has yet."""
    committed = session.status.committed
    return [(member, disk) for member, disk in members_of(session) if member.disk not in committed]


async def _before_any_job(
    ground: Ground, session: BackupSession, repository: BackupRepository
) -> Taken | None:
    """Begin the chains that the session was told to; then look for what its run has committed."""
    asked = _asked(session)
    if session.spec.new_chain:
        why = f"newChain of BackupSession {session.metadata.key}"
        begun = await ground.points.begin_anew(repository, list(asked.values()), why)
        if begun is not None:
            return Taken(session.status, begun)
    return await find_committed(ground, session, repository, asked)


def _asked(session: BackupSession) -> dict[str, DiskAsked]:
    """Return what is asked of each disk that no commit has yet, by its position."""
    asked = disks_asked(session)
    return {member.disk: asked[member.disk] for member, _ in _owed(session)}


async def _prepare(
    ground: Ground, session: BackupSession, worker: SessionWorker
) -> Mapping[str, PreparedDisk] | Taken:
    """Return what the worker is given of each disk that it is to write, by its position.

    Asked anew for a renewal too: an agent that dies leaves the newest message to its successor,
    and what was stored by then is taken over only where that message names it.
    """
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    if worker.job_sequence == 0:
        found = await _before_any_job(ground, session, repository)
        if found is not None:
            return found
    await asyncio.gather(*(_check_is_there(ground, member) for member, _ in _owed(session)))
    prepared = await prepare_disks(ground, session, repository, _asked(session))
    if isinstance(prepared, Taken):
        return prepared
    status = await without_bases(ground, session, prepared)
    if status is not None:
        return Taken(status, Waiting(0, "what a disk was to go on from is not there any more"))
    return prepared


async def _job(ground: Ground, session: BackupSession, given: _Given) -> BackupJob:
    found = repository_of(session)
    container = await container_url(ground, found, "store")
    return BackupJob(
        job_id=backup_job(session),
        run_id=run_of(session),
        disks=_disks_of(session, given),
        repository=RepositoryAccess(container_url=container, tier=written_into(found.tier)),
    )


def _disks_of(session: BackupSession, given: _Given) -> list[DiskToBackUp]:
    before = predecessors_of(session)
    return [
        DiskToBackUp(
            chain_id=given.prepared[member.disk].chain.chain,
            keys=given.prepared[member.disk].keys.text,
            grant=given.prepared[member.disk].grant,
            snapshot_url=given.grants[ArmId(member.snapshot_id)].value,
            predecessor_url=_url_of(before.get(member.disk), given),
        )
        for member, _ in _owed(session)
    ]


def _url_of(before: Predecessor | None, given: _Given) -> str | None:
    return None if before is None else given.grants[ArmId(before.snapshot_id)].value


async def _check_is_there(ground: Ground, member: SnapshotMember) -> None:
    """Refuse to read what has taken the place of the set's snapshot: it is of another moment."""
    seen = await ground.snapshots.find(ArmId(member.snapshot_id))
    if seen is None or seen.unique_id != member.unique_id:
        found = "is gone" if seen is None else f"was replaced by {seen.unique_id}"
        raise PermanentError(
            f"snapshot {member.snapshot_id} ({member.unique_id}) {found}", reason="SnapshotReplaced"
        )
