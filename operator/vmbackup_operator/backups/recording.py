"""RecoveryPointStored: the object that makes the recovery point exist and count, and its mirror."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_core.repository.primitives.names import prefix_of_chain
from vmbackup_operator.backups.asking import taken_at
from vmbackup_operator.backups.committing import WRITTEN_AGAIN
from vmbackup_operator.backups.descriptions import description_of, drop_description
from vmbackup_operator.backups.keeping import judge
from vmbackup_operator.backups.undo import record_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.vm_description import with_excluded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import (
    machine_of,
    members_of,
    run_of,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.point_mirror import mirror_of
from vmbackup_operator.sessions.seen import PointWanted
from vmbackup_operator.sessions.step import Taken, TryAgain
from vmbackup_operator.sessions.steps.keeping import policy_key, why_newest_kept
from vmbackup_operator.sessions.steps.repository import same_repository


async def record_recovery_point(ground: Ground, session: BackupSession) -> Taken:
    """Have the point count, last of all that is stored, and mirror it by a RecoveryPoint."""
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    run_id = run_of(session)
    try:
        point = await ground.points.record(repository, await _describe_point(ground, session))
    except LostAttempt as error:
        # The repository has lost what it had committed: all is written anew.
        status = replace(session.status, disks=(), progress=None)
        return Taken(status, TryAgain(error.reason, str(error), again_from=WRITTEN_AGAIN))
    if isinstance(point, Waiting):
        return Taken(session.status, point)
    kept = await why_newest_kept(ground, session, repository, point, judge)
    mirror = mirror_of(point, repository, ground.settings.appliance.id, kept)
    await ground.point_objects.ensure(mirror)
    await ground.undo_records.keep(record_of(session, stored=True))
    drop_description(ground, session)
    status = replace(session.status, recovery_point=run_id)
    return Taken(status, Done(f"recovery point {mirror.metadata.key}"))


async def _describe_point(ground: Ground, session: BackupSession) -> PointWanted:
    machine = machine_of(session)
    kinds = {result.kind for result in session.status.disks}
    return PointWanted(
        run_id=run_of(session),
        created_at=taken_at(session, ground.clock.now()),
        virtual_machine_id=ArmId(machine.id),
        virtual_machine_name=machine.name,
        virtual_machine_region=machine.region,
        description=with_excluded(
            await description_of(ground, session), session.status.excluded_disks
        ),
        policy=policy_key(session),
        retention=session.spec.retention,
        kind="full" if "full" in kinds else "incremental",
        disks=tuple(_disks(session)),
    )


def _disks(session: BackupSession) -> Iterator[PointDisk]:
    results = {result.disk: result for result in session.status.disks}
    for member, disk in members_of(session):
        result = results[disk.position]
        if result.chain_id is None or result.slot is None or result.commit_digest is None:
            raise AssertionError(f"disk {disk.position} is not committed")
        yield PointDisk(
            id=disk.id,
            name=disk.name,
            unique_id=disk.unique_id,
            lun=disk.lun,
            size_bytes=member.size_bytes,
            snapshot_id=member.snapshot_id,
            snapshot_unique_id=member.unique_id,
            chain_id=result.chain_id,
            slot=result.slot,
            commit_sha256=result.commit_digest,
            manifest=result.manifest.removeprefix(prefix_of_chain(result.chain_id)),
            manifest_sha256=result.manifest_sha256,
            read_bytes=result.read_bytes,
            stored_bytes=result.stored_bytes,
        )
