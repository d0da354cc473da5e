"""The RecoveryPoint object that mirrors what a repository holds; from the manifest alone."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import amount
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_LABEL,
    Metadata,
)
from vmbackup_operator.model.recovery_point import (
    RecoveryPoint,
    RecoveryPointDisk,
    RecoveryPointSpec,
    RecoveryPointStatus,
)
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import policy_label, recovery_point_name
from vmbackup_operator.sessions.seen import PointSeen


def mirror_of(point: PointSeen, repository: BackupRepository, appliance_id: str) -> RecoveryPoint:
    """Return the object, in the repository's namespace."""
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
            type="Backup",
            disks=tuple(
                RecoveryPointDisk(disk.name, disk.size_bytes, disk.slot, disk.lun)
                for disk in point.disks
            ),
            size_bytes=size_bytes,
            stored_bytes=stored_bytes,
        ),
        status=RecoveryPointStatus(
            appliance_id=appliance_id, size=amount(size_bytes), stored=amount(stored_bytes)
        ),
    )
