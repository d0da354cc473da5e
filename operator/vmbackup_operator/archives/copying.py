"""DataArchived: a worker reads the point and writes it into the archive repository, read back."""

from __future__ import annotations

from collections.abc import Mapping

from vmbackup_core.protocol import (
    ArchiveJob,
    DiskToArchive,
    HealedPack,
    RepositoryAccess,
    StoredSource,
)
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.opened_restore import RestoreDisk, RestoreWork
from vmbackup_operator.archives.readable import why_unreadable
from vmbackup_operator.archives.works import disks_asked, work_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session_findings import (
    ResolvedRepository,
    SessionWorker,
    position_of,
)
from vmbackup_operator.model.tiers import written_into
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import (
    archive_job,
    repository_of,
    resolved_of,
    run_of,
    source_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.ports import ContainerAccess
from vmbackup_operator.sessions.results import owes_result
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.committing import find_committed, prepare_disks
from vmbackup_operator.sessions.steps.jobs import container_url, follow_worker, give_job
from vmbackup_operator.sessions.steps.repository import same_repository


async def copy_disks(ground: Ground, session: BackupSession) -> Taken:
    """Give the worker its job and wait for its result; replace it where it has fallen silent."""
    status = session.status
    if status.recovery_point is not None or not owes_result(session):
        return Taken(status, Done(f"archived: {counted(len(status.written), 'disk')}"))
    if status.worker is not None and status.worker.failure is not None:
        # It knows of no tiers: packs that it cannot read are damage to it.
        unreadable = await why_unreadable(ground, session)
        if unreadable is not None:
            return Taken(status, unreadable)
    worker = await follow_worker(ground, session, _copying(session))
    return worker if isinstance(worker, Taken) else await _give_job(ground, session, worker)


def _copying(session: BackupSession) -> str:
    return f"copies {counted(len(_owed(session)), 'disk')}"


def _owed(session: BackupSession) -> list[str]:
    """Return the positions of the disks that no commit has yet."""
    committed = session.status.committed
    return [each.position for each in resolved_of(session).disks if each.position not in committed]


async def _give_job(ground: Ground, session: BackupSession, worker: SessionWorker) -> Taken:
    """Seal the job with credentials that are good for a while, and put it in the worker's queue."""
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    prepared = await _prepare(ground, session, work, worker)
    if isinstance(prepared, Taken):
        return prepared
    until = ground.repository_access_until()
    job = await _job(ground, session, work, prepared)
    return await give_job(ground, session, home, job, until, _copying(session))


async def _prepare(
    ground: Ground, session: BackupSession, work: RestoreWork, worker: SessionWorker
) -> Mapping[str, PreparedDisk] | Taken:
    """Return what the worker is given of each disk that it is to write, by its position.

    Asked anew for a renewal too: an agent that dies leaves the newest message to its successor,
    and what was stored by then is taken over only where that message names it.
    """
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    asked = disks_asked(session, work)
    owed = {disk: asked[disk] for disk in _owed(session)}
    if worker.job_sequence == 0:
        found = await find_committed(ground, session, repository, owed)
        if found is not None:
            return found
    return await prepare_disks(ground, session, repository, owed)


async def _job(
    ground: Ground,
    session: BackupSession,
    work: RestoreWork,
    prepared: Mapping[str, PreparedDisk],
) -> ArchiveJob:
    """Return what the worker is asked to copy, by ways that list nothing."""
    given = {position_of(each.disk.lun): each for each in work.disks}
    return ArchiveJob(
        job_id=archive_job(session),
        run_id=run_of(session),
        disks=[_disk(given[position], disk) for position, disk in prepared.items()],
        source=await _access(ground, source_of(session).repository, "read_named"),
        target=await _access(ground, repository_of(session), "store"),
    )


async def _access(
    ground: Ground, repository: ResolvedRepository, access: ContainerAccess
) -> RepositoryAccess:
    url = await container_url(ground, repository, access)
    return RepositoryAccess(container_url=url, tier=written_into(repository.tier))


def _disk(given: RestoreDisk, prepared: PreparedDisk) -> DiskToArchive:
    return DiskToArchive(
        source=StoredSource(
            chain_id=given.disk.chain_id,
            keys=given.keys,
            manifest=given.manifest_name,
            manifest_sha256=given.manifest_sha256,
            slot=given.disk.slot,
            healed=[HealedPack.of(each) for each in given.healed],
        ),
        chain_id=prepared.chain.chain,
        keys=prepared.keys.text,
        grant=prepared.grant,
    )
