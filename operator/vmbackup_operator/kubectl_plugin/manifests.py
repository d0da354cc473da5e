"""The objects that one asks for by a command, as they are sent to the API server; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSessionSpec
from vmbackup_operator.model.metadata import API_VERSION
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.restore_session import (
    RestoreMode,
    RestoreSessionSpec,
    RestoreTarget,
)
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.naming import ArmId, name_of, resource_group_of, subscription_of

#: The API server puts five letters of its own behind a generated name, of 63 in all.
_MOST_OF_A_NAME = 57

Manifest = dict[str, Any]


def backup_manifest(policy: BackupPolicy, vm_id: ArmId) -> Manifest:
    """Return the session that backs the VM up as *policy* says, now and once."""
    spec = policy.spec
    wanted = BackupSessionSpec(
        virtual_machine_id=vm_id,
        repository_ref=spec.repository_ref,
        policy_ref=LocalReference(policy.metadata.name),
        exclude_data_disk_luns=spec.exclude_data_disk_luns,
        retention=SessionRetention.of(spec.rule),
        snapshots_to_keep=spec.snapshots_to_keep,
        retry_limit=spec.retry.limit,
        retry_backoff_seconds=spec.retry.backoff_seconds,
    )
    name = f"{policy.metadata.name}-{name_of(vm_id)}"
    return _manifest("BackupSession", _stem(name), policy.metadata.namespace, wanted)


@dataclass(frozen=True, slots=True)
class RestoreAsked:
    """What was said of a restore; None where nothing was."""

    mode: RestoreMode = "Disks"
    name: str | None = None
    subscription: str | None = None
    resource_group: str | None = None
    region: str | None = None
    subnet: str | None = None
    vm_name: str | None = None
    vm_size: str | None = None
    disks: tuple[str, ...] = ()


def restore_manifest(point: RecoveryPoint, asked: RestoreAsked, region: str | None) -> Manifest:
    """Return the restore of *point* that is *asked* for.

    Where nothing is said it goes beside the VM: into its subscription and group, and into *region*,
    its own where that is known.
    """
    vm_id = ArmId(point.spec.virtual_machine_id)
    region = asked.region or region
    if region is None:
        raise PermanentError(
            f"no BackupSession tells the region of {point.spec.virtual_machine_name} any more",
            reason="RegionUnknown",
        )
    target = RestoreTarget(
        subscription_id=asked.subscription or subscription_of(vm_id),
        resource_group=asked.resource_group or resource_group_of(vm_id),
        region=region,
        subnet_id=asked.subnet,
        vm_name=asked.vm_name,
        vm_size=asked.vm_size,
    )
    wanted = RestoreSessionSpec(
        recovery_point_ref=ObjectReference(point.metadata.name),
        mode=asked.mode,
        target=target,
        disks=asked.disks,
    )
    stem = _stem(f"{point.spec.virtual_machine_name}-{_ENDINGS[asked.mode]}")
    manifest = _manifest("RestoreSession", stem, point.metadata.namespace, wanted)
    if asked.name is not None:
        manifest["metadata"] = {"name": asked.name, "namespace": point.metadata.namespace}
    return manifest


_ENDINGS: dict[RestoreMode, str] = {
    "Disks": "disks",
    "VirtualMachine": "again",
    "Rewind": "back",
}


def is_point_of(point: RecoveryPoint, vm: str) -> bool:
    """Tell whether the point is of the VM of that name or id."""
    spec = point.spec
    return folded(vm) in {folded(spec.virtual_machine_name), folded(spec.virtual_machine_id)}


def latest_point(points: tuple[RecoveryPoint, ...], vm: str, at: datetime | None) -> RecoveryPoint:
    """Return the newest point of the VM, of those up to *at* where that is said."""
    named = [
        each
        for each in points
        if is_point_of(each, vm) and (at is None or each.spec.created_at <= at)
    ]
    if not named:
        until = "" if at is None else f" up to {at:%Y-%m-%d %H:%M}Z"
        raise PermanentError(f"there is none of {vm}{until}", reason="NoRecoveryPoint")
    return max(named, key=lambda each: each.spec.created_at)


def _stem(name: str) -> str:
    """Return what a generated name begins with: letters, digits and dashes, as Kubernetes wants."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)
    return f"{folded(plain)[:_MOST_OF_A_NAME].strip('-')}-"


def _manifest(kind: str, stem: str, namespace: str, spec: msgspec.Struct) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"generateName": stem, "namespace": namespace},
        "spec": msgspec.to_builtins(spec),
    }
