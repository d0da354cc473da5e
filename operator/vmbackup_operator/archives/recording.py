"""RecoveryPointStored: the archived point exists and counts, and says which one it is a copy of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_core.repository.primitives.names import prefix_of_chain
from vmbackup_operator.archives.charging import charged_until
from vmbackup_operator.archives.committing import WRITTEN_AGAIN
from vmbackup_operator.archives.keeping import judge
from vmbackup_operator.archives.works import work_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.session_findings import Archived, position_of
from vmbackup_operator.model.tiers import written_into
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import repository_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.point_mirror import mirror_of
from vmbackup_operator.sessions.results import results_of
from vmbackup_operator.sessions.seen import PointSeen, PointWanted
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.keeping import policy_key, why_kept
from vmbackup_operator.sessions.steps.repository import same_repository


async def record_recovery_point(ground: Ground, session: BackupSession) -> Taken:
    """Have the archived point count, last of all that is stored, and mirror it."""
    if session.status.recovery_point is not None:
        return Taken(session.status, Done(session.status.achieved))
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    work = await work_of(ground, session)
    if not isinstance(work, RestoreWork):
        return Taken(session.status, work)
    try:
        point = await ground.points.record(repository, _describe(session, work))
    except LostAttempt as error:
        # The repository has lost what it had committed: all is written anew.
        status = replace(session.status, disks=(), progress=None)
        return Taken(status, TryAgain(error.reason, str(error), again_from=WRITTEN_AGAIN))
    if isinstance(point, Waiting):
        return Taken(session.status, point)
    return await _conclude(ground, session, repository, point)


async def _conclude(
    ground: Ground, session: BackupSession, repository: BackupRepository, point: PointSeen
) -> Taken:
    """Show the point that counts, and record in the status that it does."""
    mirror = await show_point(ground, session, repository, point)
    if isinstance(mirror, Waiting):
        return Taken(session.status, mirror)
    return Taken(stored(ground, session), Done(f"recovery point {mirror.metadata.key}"))


async def show_point(
    ground: Ground, session: BackupSession, repository: BackupRepository, point: PointSeen
) -> RecoveryPoint | Waiting:
    """Have a RecoveryPoint mirror *point*, with why it is kept; return the object."""
    kept = await why_kept(ground, session, repository, point, judge)
    if isinstance(kept, Waiting):
        return kept
    mirror = mirror_of(point, repository, ground.settings.appliance.id, kept)
    await ground.point_objects.ensure(mirror)
    return mirror


def stored(ground: Ground, session: BackupSession) -> BackupSessionStatus:
    """Return the status of a session whose point counts, with what taking it away costs.

    Of the Archive tier that is said once packs are in it.
    """
    tier = repository_of(session).tier
    before = session.status.archive or Archived(tier)
    until = charged_until(written_into(tier), ground.clock.now().replace(microsecond=0))
    archive = replace(before, tier=tier, charged_until=until)
    return replace(session.status, recovery_point=run_of(session), archive=archive)


def adopted(ground: Ground, session: BackupSession, point: PointSeen) -> BackupSessionStatus:
    """Return the status of a session whose run was found to have its point."""
    return replace(stored(ground, session), disks=results_of(point))


def _describe(session: BackupSession, work: RestoreWork) -> PointWanted:
    """Return the point to record: the source's own words, and what is other in the copy."""
    point = work.point
    return PointWanted(
        run_id=run_of(session),
        created_at=_plain(point.created_at),
        virtual_machine_id=ArmId(point.vm_id),
        virtual_machine_name=point.vm_name,
        virtual_machine_region=point.vm_region,
        description=point.vm_description,
        policy=policy_key(session),
        retention=session.spec.retention,
        kind="full",
        disks=tuple(_disks(session, work)),
        origin=work.origin,
    )


def _plain(moment: datetime) -> datetime:
    """Return a moment as Kubernetes writes one, not as the format does."""
    return datetime.combine(moment.date(), moment.time(), UTC)


def _disks(session: BackupSession, work: RestoreWork) -> Iterator[PointDisk]:
    results = {result.disk: result for result in session.status.disks}
    for given in work.disks:
        result = results[position_of(given.disk.lun)]
        if result.chain_id is None or result.slot is None or result.commit_digest is None:
            raise AssertionError(f"disk {result.disk} is not committed")
        yield replace(
            given.disk,
            chain_id=result.chain_id,
            slot=result.slot,
            commit_sha256=result.commit_digest,
            manifest=result.manifest.removeprefix(prefix_of_chain(result.chain_id)),
            manifest_sha256=result.manifest_sha256,
            read_bytes=result.read_bytes,
            stored_bytes=result.stored_bytes,
        )
