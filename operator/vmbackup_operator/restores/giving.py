"""The job that a restore gives its worker: what is written, and into which targets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from vmbackup_core.protocol import DiskToRestore, HealedPack, RepositoryAccess, RestoreJob
from vmbackup_core.repository.opened_restore import RestoreDisk, RestoreWork
from vmbackup_operator.model.restore_session import RestoredDisk, RestoreSession
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.restores.planned import work_of
from vmbackup_operator.sessions.findings import (
    repository_of,
    restore_job,
    restored_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.jobs import container_url, give_job


class Target(NamedTuple):
    """Where the worker finds a disk: behind a URL, or at a LUN of its own."""

    url: str | None = None
    lun: int | None = None


#: Returns the targets of the session's disks, in their order, or what is to be waited for.
Aim = Callable[[Ground, RestoreSession], Awaitable[Sequence[Target] | Taken]]


async def give_restore_job(ground: Ground, session: RestoreSession, aim: Aim, doing: str) -> Taken:
    """Seal the job with credentials that are good for a while, and put it in the worker's queue."""
    home = await ground.regions.recall_home()
    if isinstance(home, Waiting):
        return Taken(session.status, home)
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    targets = await aim(ground, session)
    if isinstance(targets, Taken):
        return targets
    until = ground.repository_access_until()
    job = await _job(ground, session, work, targets)
    return await give_job(ground, session, home, job, until, doing)


async def _job(
    ground: Ground, session: RestoreSession, work: RestoreWork, targets: Sequence[Target]
) -> RestoreJob:
    """Return what the worker is asked to write, by a way that lists nothing and creates nothing."""
    container = await container_url(ground, repository_of(session), "read_named")
    by_position = {position_of(each.disk.lun): each for each in work.disks}
    return RestoreJob(
        job_id=restore_job(session),
        run_id=run_of(session),
        disks=[
            _to_restore(disk, by_position[disk.disk], target)
            for disk, target in zip(restored_of(session).disks, targets, strict=True)
        ],
        repository=RepositoryAccess(container_url=container),
    )


def _to_restore(disk: RestoredDisk, source: RestoreDisk, target: Target) -> DiskToRestore:
    said = source.disk
    return DiskToRestore(
        disk_id=disk.disk_id,
        chain_id=said.chain_id,
        keys=source.keys,
        manifest=source.manifest_name,
        manifest_sha256=source.manifest_sha256,
        slot=said.slot,
        unique_id=said.unique_id,
        snapshot_unique_id=said.snapshot_unique_id,
        disk_bytes=said.size_bytes,
        healed=[HealedPack.of(each) for each in source.healed],
        target_url=target.url,
        target_bytes=disk.size_bytes,
        target_lun=target.lun,
    )
