"""The RecoveryPoint object of a snapshot set that stands alone: from its sealed tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from vmbackup_core.ids import RunId
from vmbackup_operator.model.display import amount
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_LABEL,
    Metadata,
    ObjectKey,
)
from vmbackup_operator.model.recovery_point import (
    RecoveryPoint,
    RecoveryPointDisk,
    RecoveryPointSpec,
    RecoveryPointStatus,
)
from vmbackup_operator.naming import ArmId, name_of, policy_label, recovery_point_name
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import SnapshotSet


def object_of(found: SnapshotSet, appliance_id: str, packed_description: str = "") -> RecoveryPoint:
    """Return the object, in the namespace whose count the set belongs to.

    All of it but the description is in the tags: so the object comes back where the cluster is
    gone.
    """
    namespace, _, policy = found.policy.partition("/")
    name = name_of(found.virtual_machine_id)
    created_at = taken_at([seen for seen, _ in found.members])
    size_bytes = sum(seen.size_bytes for seen, _ in found.members)
    labels = {POLICY_LABEL: policy_label(policy)} if policy else {}
    key = key_of(namespace, found.virtual_machine_id, created_at, found.run_id)
    return RecoveryPoint(
        metadata=Metadata(
            name=key.name,
            namespace=key.namespace,
            labels={APPLIANCE_LABEL: appliance_id, **labels, **EXCLUDE_FROM_CLUSTER_BACKUP},
        ),
        spec=RecoveryPointSpec(
            run_id=found.run_id,
            virtual_machine_id=found.virtual_machine_id,
            virtual_machine_name=name,
            created_at=created_at,
            type="Snapshot",
            disks=tuple(
                RecoveryPointDisk(name_of(facts.disk_id), seen.size_bytes, lun=facts.lun)
                for seen, facts in found.members
            ),
            size_bytes=size_bytes,
            stored_bytes=0,
            packed_description=packed_description or None,
        ),
        status=RecoveryPointStatus(
            appliance_id=appliance_id, size=amount(size_bytes), stored=amount(0)
        ),
    )


def key_of(namespace: str, vm_id: ArmId, created_at: datetime, run_id: RunId) -> ObjectKey:
    """Return where the object of such a set is."""
    return ObjectKey(namespace, recovery_point_name(name_of(vm_id), created_at, run_id))


def taken_at(snapshots: Sequence[SnapshotSeen]) -> datetime:
    """Return when the set was complete: when the latest of it was taken."""
    return max(each.created_at for each in snapshots)
