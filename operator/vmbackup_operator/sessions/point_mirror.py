"""The RecoveryPoint object that mirrors what a repository holds; from the manifest alone."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import amount
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_LABEL,
    Metadata,
    ObjectKey,
)
from vmbackup_operator.model.recovery_point import (
    NOT_LOOKED_AT,
    Kept,
    RecoveryPoint,
    RecoveryPointDisk,
    RecoveryPointSpec,
    RecoveryPointStatus,
)
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import policy_label, recovery_point_name
from vmbackup_operator.sessions.seen import PointSeen


def mirror_of(
    point: PointSeen,
    repository: BackupRepository,
    appliance_id: str,
    kept: Kept = NOT_LOOKED_AT,
) -> RecoveryPoint:
    """Return the object, in the repository's namespace; *kept* says why the point is kept."""
    policy = {POLICY_LABEL: policy_label(point.policy_name)} if point.policy_name else {}
    size_bytes = sum(disk.size_bytes for disk in point.disks)
    stored_bytes = sum(disk.stored_bytes for disk in point.disks)
    return RecoveryPoint(
        metadata=Metadata(
            name=recovery_point_name(point.virtual_machine_name, point.created_at, point.run_id),
            namespace=repository.metadata.namespace,
            labels={APPLIANCE_LABEL: appliance_id, **policy, **EXCLUDE_FROM_CLUSTER_BACKUP},
        ),
        spec=RecoveryPointSpec(
            repository_ref=ObjectReference(repository.metadata.name, repository.metadata.namespace),
            run_id=point.run_id,
            virtual_machine_id=point.virtual_machine_id,
            virtual_machine_name=point.virtual_machine_name,
            created_at=point.created_at,
            type=point.type,
            disks=tuple(
                RecoveryPointDisk(disk.name, disk.size_bytes, disk.slot, disk.lun)
                for disk in point.disks
            ),
            size_bytes=size_bytes,
            stored_bytes=stored_bytes,
            excluded_disks=point.excluded,
        ),
        status=RecoveryPointStatus(
            appliance_id=appliance_id,
            size=amount(size_bytes),
            stored=amount(stored_bytes),
            kept_because=kept.because,
            kept_until=kept.until,
        ),
    )


@dataclass(frozen=True, slots=True)
class PointObject:
    """As much of a RecoveryPoint object as tells whether it is the one of a point.

    *named* tells that it has the name that follows from what it says, *whole* that it shows all
    that it is to show: a crash may have come in between. One of a snapshot set alone has no
    *repository*. *kept* is what it says of why it is kept.
    """

    key: ObjectKey
    uid: str
    repository: ObjectKey | None
    run: RunId
    virtual_machine_id: str
    named: bool
    whole: bool
    kept: Kept = NOT_LOOKED_AT


def outline_of(stored: RecoveryPoint) -> PointObject:
    """Return what there is of the object: of a repository's thousands not all is kept."""
    metadata, spec, status = stored.metadata, stored.spec, stored.status
    where = spec.stored_in
    name = recovery_point_name(spec.virtual_machine_name, spec.created_at, spec.run_id)
    return PointObject(
        key=metadata.key,
        uid=metadata.uid,
        repository=None if where.is_none else where.key_from(metadata.namespace),
        run=spec.run_id,
        virtual_machine_id=spec.virtual_machine_id,
        named=metadata.name == name,
        whole=bool(status.size and status.stored),
        kept=status.kept,
    )
