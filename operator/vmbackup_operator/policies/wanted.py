"""The sessions that a policy asks for: one for each VM and occasion, the same whenever computed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from typing_extensions import override

from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionSpec
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_GENERATION_ANNOTATION,
    POLICY_LABEL,
    Metadata,
)
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.naming import (
    ArmId,
    policy_label,
    same_id,
    session_name_of_slot,
    session_name_of_trigger,
)
from vmbackup_operator.policies.schedule import jitter_of


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why sessions are owed: a slot of the schedule, or else a trigger's token."""

    slot: datetime | None = None
    token: str | None = None

    @override
    def __str__(self) -> str:
        if self.slot is not None:
            return f"slot {self.slot:%Y-%m-%d %H:%M}Z"
        return f"trigger {self.token}"


def wanted_session(
    policy: BackupPolicy, vm_id: ArmId, occasion: Occasion, appliance_id: str
) -> BackupSession:
    """Return the session that *policy* owes the VM on *occasion*."""
    spec, metadata = policy.spec, policy.metadata
    return BackupSession(
        metadata=Metadata(
            name=_name(policy, vm_id, occasion),
            namespace=metadata.namespace,
            labels={
                POLICY_LABEL: policy_label(metadata.name),
                APPLIANCE_LABEL: appliance_id,
                **EXCLUDE_FROM_CLUSTER_BACKUP,
            },
            annotations={POLICY_GENERATION_ANNOTATION: str(metadata.generation)},
        ),
        spec=BackupSessionSpec(
            virtual_machine_id=vm_id,
            repository_ref=ObjectReference(
                spec.repository_ref.name, spec.repository_ref.namespace or metadata.namespace
            ),
            policy_ref=LocalReference(metadata.name),
            slot=occasion.slot,
            trigger=occasion.token,
            exclude_data_disk_luns=spec.exclude_data_disk_luns,
            retention=spec.retention,
            snapshots_to_keep=spec.snapshots_to_keep,
            retry_limit=spec.retry.limit,
            retry_backoff_seconds=spec.retry.backoff_seconds,
            start_before=_start_before(policy, occasion),
        ),
    )


def is_adoptable(found: BackupSession, wanted: BackupSession) -> bool:
    """Tell whether *found*, of the wanted name, is the session that is wanted.

    What it is kept by (retention, retries) may have been edited in the policy since.
    """
    mine, theirs = wanted.spec, found.spec
    namespace = found.metadata.namespace
    return (
        same_id(mine.virtual_machine_id, theirs.virtual_machine_id)
        and (mine.type, mine.policy_ref, mine.slot, mine.trigger)
        == (theirs.type, theirs.policy_ref, theirs.slot, theirs.trigger)
        and mine.repository_ref.key_from(namespace) == theirs.repository_ref.key_from(namespace)
    )


def _name(policy: BackupPolicy, vm_id: ArmId, occasion: Occasion) -> str:
    if occasion.slot is not None:
        return session_name_of_slot(policy.metadata.name, vm_id, occasion.slot)
    return session_name_of_trigger(policy.metadata.name, vm_id, occasion.token or "")


def _start_before(policy: BackupPolicy, occasion: Occasion) -> datetime | None:
    schedule = policy.spec.schedule
    if occasion.slot is None or schedule is None:
        return None
    deadline = timedelta(seconds=schedule.starting_deadline_seconds)
    return occasion.slot + jitter_of(schedule, policy.metadata.key) + deadline
