"""The point that a session brings back, as whoever holds it has it at this moment."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.vm_description import unpacked
from vmbackup_operator.naming import ArmId, name_of, subscription_of
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.findings import restored_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import DiskOfSet, PointOfSet
from vmbackup_operator.sessions.snapshot_sets import SetSeen, sets_of_machine
from vmbackup_operator.sessions.step import Answer
from vmbackup_operator.sessions.steps.repository import same_repository
from vmbackup_operator.sessions.tags import SnapshotSet, verified_set


async def find_counted(ground: Ground, session: RestoreSession) -> PointOfSet | Answer:
    """Return the session's point, or what is to be waited for, or that it counts no longer."""
    named = restored_of(session).recovery_point
    if named.repository is None:
        return await _alone(ground, session)
    repository = await same_repository(ground, session)
    if not isinstance(repository, BackupRepository):
        return repository
    point = await ground.points.find(repository, ArmId(named.virtual_machine_id), named.run_id)
    if isinstance(point, Waiting):
        return point
    if point is None:
        message = f"recovery point {named.run_id} has stopped to count: it has expired"
        return Failed("RecoveryPointExpired", message)
    return PointOfSet(
        run_id=point.run_id,
        virtual_machine_id=point.virtual_machine_id,
        virtual_machine_region=point.virtual_machine_region,
        disks=tuple(
            DiskOfSet(
                id=each.id,
                name=each.name,
                lun=each.lun,
                size_bytes=each.size_bytes,
                snapshot_id=each.snapshot_id,
                snapshot_unique_id=each.snapshot_unique_id,
            )
            for each in point.disks
        ),
        description=point.description,
        created_at=point.created_at,
    )


async def _alone(ground: Ground, session: RestoreSession) -> PointOfSet | Failed:
    """Return the point of a snapshot set that stands alone, by its sealed tags.

    Only one that belongs to the namespace of the object which names it: whoever may write such an
    object chooses no set of others by it.
    """
    named = restored_of(session).recovery_point
    vm_id = ArmId(named.virtual_machine_id)
    key = session.spec.recovery_point_ref.key_from(session.metadata.namespace)
    seen = await ground.snapshots.of_group(*ground.settings.snapshot_group(subscription_of(vm_id)))
    sets = sets_of_machine(ground, seen, vm_id)
    own = next((each for each in sets if each.run_id == named.run_id), None)
    if own is None or not _belongs(own, key.namespace):
        return _gone(session, "is not there any more")
    if own.fault is not None:
        return _gone(session, f"does not verify: {own.fault}")
    shown = await ground.point_objects.find(key)
    is_its = shown is not None and shown.spec.run_id == named.run_id
    packed = shown.spec.packed_description if shown is not None and is_its else None
    return _point_of(verified_set(ground.ring, own.snapshots), unpacked(packed or ""))


def _belongs(found: SetSeen, namespace: str) -> bool:
    """Tell whether the set is one of the namespace; one at fault is told of, and not used."""
    return found.fault is not None or (found.alone and found.policy.partition("/")[0] == namespace)


def _gone(session: RestoreSession, why: str) -> Failed:
    run = restored_of(session).recovery_point.run_id
    message = f"the snapshot set of recovery point {run} {why}: restore another one"
    return Failed("PointNotRetained", message)


def _point_of(found: SnapshotSet, description: str) -> PointOfSet:
    return PointOfSet(
        run_id=found.run_id,
        virtual_machine_id=found.virtual_machine_id,
        virtual_machine_region=found.members[0][0].region,
        disks=tuple(
            DiskOfSet(
                id=facts.disk_id,
                name=name_of(facts.disk_id),
                lun=facts.lun,
                size_bytes=seen.size_bytes,
                snapshot_id=seen.id,
                snapshot_unique_id=seen.unique_id,
            )
            for seen, facts in found.members
        ),
        description=description,
    )
