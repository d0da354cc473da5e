"""Recovery points as a repository stores them, from what sessions ask for, and back; pure."""

from __future__ import annotations

from datetime import UTC, datetime

from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.control.points.points import RecoveryPoint, StampedRetention
from vmbackup_core.repository.control.retention.expire_plan import Group, group_named
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.model.vm_description import excluded_in
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import PointSeen, PointWanted


def as_stored(
    point: PointWanted,
    repository: RepositoryId,
    appliance_id: str,
    previous: str | None,
    stamp: Stamp,
) -> RecoveryPoint:
    """Return the object that says all of *point*.

    *previous* is the digest of the VM's newest, *stamp* the retention that is written on it.
    """
    policy = point.policy
    return RecoveryPoint(
        repository_id=repository,
        run_id=point.run_id,
        appliance_id=appliance_id,
        vm_id=point.virtual_machine_id,
        vm_name=point.virtual_machine_name,
        vm_region=point.virtual_machine_region,
        vm_description=point.description,
        created_at=Time.of(point.created_at),
        policy_namespace=None if policy is None else policy.namespace,
        policy_name=None if policy is None else policy.name,
        retention=StampedRetention.of(stamp),
        kind=point.kind,
        previous=previous,
        origin=point.origin,
        disks=point.disks,
    )


def group_of(point: PointWanted) -> Group:
    """Return with which points it is judged."""
    policy, vm_id = point.policy, point.virtual_machine_id
    if policy is None:
        return group_named(None, None, vm_id)
    return group_named(policy.namespace, policy.name, vm_id)


def as_seen(point: RecoveryPoint) -> PointSeen:
    """Return what a session sees of a point that counts."""
    return PointSeen(
        run_id=point.run_id,
        # A plain one, as Kubernetes writes it, not the format's own.
        created_at=datetime.combine(point.created_at.date(), point.created_at.time(), UTC),
        virtual_machine_id=ArmId(point.vm_id),
        virtual_machine_name=point.vm_name,
        disks=point.disks,
        virtual_machine_region=point.vm_region,
        policy_name=point.policy_name or "",
        type="Backup" if point.origin is None else "Archive",
        stamp=point.retention.stamp,
        description=point.vm_description,
        excluded=excluded_in(point.vm_description),
    )
