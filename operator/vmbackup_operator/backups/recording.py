"""RecoveryPointStored: the manifest that makes the recovery point exist, and its object."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec.structs import replace

from vmbackup_core.ids import DiskUniqueId
from vmbackup_operator.backups.descriptions import description_of, drop_description
from vmbackup_operator.backups.mirror import mirror_of
from vmbackup_operator.backups.repository import same_repository
from vmbackup_operator.backups.undo import record_of
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done
from vmbackup_operator.sessions.findings import (
    machine_of,
    members_of,
    resolved_of,
    run_of,
    snapshot_ids,
)
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import ChainGrant, PointDisk, PointSeen, PointWanted
from vmbackup_operator.sessions.step import Taken


async def record_recovery_point(ground: Ground, session: BackupSession) -> Taken:
    """Write the manifest, last of all that is stored, and mirror it by a RecoveryPoint."""
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return Taken(session.status, repository)
    run_id = run_of(session)
    point = await ground.points.find(repository, run_id)
    if point is None:
        point = await _record(ground, session, repository)
    mirror = mirror_of(point, repository, ground.settings.appliance.id)
    await ground.point_objects.ensure(mirror)
    await ground.undo_records.keep(record_of(session, stored=True))
    drop_description(ground, session)
    status = replace(session.status, recovery_point=run_id)
    return Taken(status, Done(f"recovery point {mirror.metadata.key}"))


async def _record(
    ground: Ground, session: BackupSession, repository: BackupRepository
) -> PointSeen:
    unique_ids = [disk.unique_id for disk in resolved_of(session).disks]
    chains = await ground.points.open_chains(repository, unique_ids)
    wanted = await _describe_point(ground, session, chains)
    await ground.points.record(repository, wanted)
    return PointSeen(
        run_id=wanted.run_id,
        created_at=wanted.created_at,
        virtual_machine_id=wanted.virtual_machine_id,
        virtual_machine_name=wanted.virtual_machine_name,
        disks=wanted.disks,
        virtual_machine_region=wanted.virtual_machine_region,
        policy_name="" if wanted.policy is None else wanted.policy.name,
    )


async def _describe_point(
    ground: Ground, session: BackupSession, chains: Mapping[DiskUniqueId, ChainGrant]
) -> PointWanted:
    machine, policy = machine_of(session), session.spec.policy_ref
    namespace = session.metadata.namespace
    kinds = {result.kind for result in session.status.disks}
    return PointWanted(
        run_id=run_of(session),
        created_at=await _moment(ground, session),
        virtual_machine_id=ArmId(machine.id),
        virtual_machine_name=machine.name,
        virtual_machine_region=machine.region,
        description=await description_of(ground, session),
        policy=None if policy is None else ObjectKey(namespace, policy.name),
        retention=session.spec.retention,
        kind="full" if "full" in kinds else "incremental",
        disks=tuple(_disks(session, chains)),
    )


def _disks(
    session: BackupSession, chains: Mapping[DiskUniqueId, ChainGrant]
) -> Iterator[PointDisk]:
    results = {result.disk: result for result in session.status.disks}
    for member, disk in members_of(session):
        result = results[disk.position]
        yield PointDisk(
            disk_id=ArmId(disk.id),
            name=disk.name,
            unique_id=disk.unique_id,
            lun=disk.lun,
            size_bytes=member.size_bytes,
            chain_id=chains[disk.unique_id].chain_id,
            slot=result.slot,
            commit_digest=result.commit_digest,
            read_bytes=result.read_bytes,
            stored_bytes=result.stored_bytes,
            snapshot_id=ArmId(member.snapshot_id),
            snapshot_unique_id=member.unique_id,
        )


async def _moment(ground: Ground, session: BackupSession) -> datetime:
    """Return when the set was complete; when the session began where its snapshots have gone."""
    ids = snapshot_ids(ground.settings.appliance, session)
    found = await asyncio.gather(*map(ground.snapshots.find, ids))
    moments = [seen.created_at for seen in found if seen is not None]
    return max(moments, default=session.status.start_time or ground.clock.now())
