"""The sessions that a policy asks for: one for each VM and occasion, the same whenever computed."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vmbackup_operator.model.backup_policy import BackupPolicy, Occasion
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionSpec
from vmbackup_operator.model.metadata import (
    APPLIANCE_LABEL,
    EXCLUDE_FROM_CLUSTER_BACKUP,
    POLICY_GENERATION_ANNOTATION,
    POLICY_LABEL,
    Metadata,
)
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.naming import (
    ArmId,
    policy_label,
    same_id,
    session_name_of_slot,
    session_name_of_trigger,
)
from vmbackup_operator.policies.occasions import with_new_chain


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
            repository_ref=_repository(policy),
            type=spec.type,
            policy_ref=LocalReference(metadata.name),
            slot=occasion.slot,
            trigger=None if occasion.trigger is None else occasion.trigger.token,
            trigger_time=None if occasion.trigger is None else occasion.trigger.first_seen,
            disks=spec.disks,
            exclude_data_disk_luns=spec.exclude_data_disk_luns,
            exclude_disk_tags=spec.exclude_disk_tags,
            retention=SessionRetention.of(spec.rule),
            snapshots_to_keep=spec.snapshots_to_keep,
            new_chain=_begins_new_chains(policy, occasion),
            retry_limit=spec.retry.limit,
            retry_backoff_seconds=spec.retry.backoff_seconds,
            # A trigger's session may wait for as long as it takes: somebody asked for it.
            start_before=occasion.start_before if occasion.trigger is None else None,
        ),
    )


def _repository(policy: BackupPolicy) -> ObjectReference | None:
    named = policy.spec.repository_ref
    if named is None:
        return None
    return ObjectReference(named.name, named.namespace or policy.metadata.namespace)


def is_adoptable(found: BackupSession, wanted: BackupSession) -> bool:
    """Tell whether *found*, of the wanted name, is the session that is wanted.

    What it is kept by (retention, retries) may have been edited in the policy since, and the order
    for new chains taken back.
    """
    mine, theirs = wanted.spec, found.spec
    namespace = found.metadata.namespace
    return (
        same_id(mine.virtual_machine_id, theirs.virtual_machine_id)
        and (mine.type, mine.policy_ref, mine.slot, mine.trigger, mine.trigger_time)
        == (theirs.type, theirs.policy_ref, theirs.slot, theirs.trigger, theirs.trigger_time)
        and mine.stored_in.key_from(namespace) == theirs.stored_in.key_from(namespace)
    )


def skipped_session(wanted: BackupSession, now: datetime) -> BackupSession:
    """Return *wanted* as one that can't begin any more, whoever looks at it first."""
    limit = min(now, wanted.spec.start_before or now).replace(microsecond=0)
    return replace(wanted, spec=replace(wanted.spec, start_before=limit))


def _begins_new_chains(policy: BackupPolicy, occasion: Occasion) -> bool:
    """Tell whether the occasion is the trigger that the annotation names, and the first such."""
    trigger = occasion.trigger
    if trigger is None or policy.spec.type == "Snapshot":
        return False
    return with_new_chain(policy, replace(policy.status, trigger=trigger)).new_chain == trigger


def _name(policy: BackupPolicy, vm_id: ArmId, occasion: Occasion) -> str:
    if occasion.trigger is not None:
        token, seen = occasion.trigger.token, occasion.trigger.first_seen
        return session_name_of_trigger(policy.metadata.name, vm_id, token, seen)
    if occasion.slot is None:
        raise AssertionError("an occasion has a slot or a trigger")
    return session_name_of_slot(policy.metadata.name, vm_id, occasion.slot)
