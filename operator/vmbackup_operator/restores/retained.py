"""The snapshot set that a recovery point was stored of, where it is retained and still verifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.session_findings import SnapshotMember, position_of
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import DiskOfSet, PointOfSet, SnapshotSeen
from vmbackup_operator.sessions.snapshot_sets import sets_of_machine


async def find_retained(
    ground: Ground, session: RestoreSession, point: PointOfSet, instead: str
) -> Mapping[str, SnapshotSeen] | Failed:
    """Return the snapshot of each disk that the session wants, by its position.

    *instead* tells people what to do where there is no such set. Only a snapshot whose sealed tags
    verify, and that is the one which the point's commit names, holds what the point holds.
    """
    vm_id = point.virtual_machine_id
    group = ground.settings.snapshot_group(subscription_of(vm_id))
    seen = await ground.snapshots.of_group(*group)
    sets = sets_of_machine(ground, seen, vm_id)
    own = next((each for each in sets if each.run_id == point.run_id), None)
    if own is None:
        return _refused(point, "is not retained any more", instead)
    if own.fault is not None:
        return _refused(point, f"does not verify: {own.fault}", instead)
    found = {position_of(disk.lun): _of(own.snapshots, disk) for disk in point.disks}
    whole = {position: each for position, each in found.items() if each is not None}
    missing = sorted(found.keys() - whole.keys())
    wanted = set(session.spec.disks) or found.keys()
    if wanted & set(missing):
        why = f"lacks the disks at {', '.join(missing)} that the point has"
        return _refused(point, why, instead)
    return whole


def members_of(retained: Mapping[str, SnapshotSeen]) -> tuple[SnapshotMember, ...]:
    """Return what the status says of them: while the session runs nobody deletes them."""
    return tuple(
        SnapshotMember(position, each.id, each.unique_id, each.size_bytes, each.created_at)
        for position, each in retained.items()
    )


def _of(snapshots: Sequence[SnapshotSeen], disk: DiskOfSet) -> SnapshotSeen | None:
    return next(
        (
            each
            for each in snapshots
            if same_id(each.id, ArmId(disk.snapshot_id))
            and each.unique_id == disk.snapshot_unique_id
            and each.ready
        ),
        None,
    )


def _refused(point: PointOfSet, why: str, instead: str) -> Failed:
    message = f"the snapshot set that recovery point {point.run_id} was stored of {why}: {instead}"
    return Failed("PointNotRetained", message)
