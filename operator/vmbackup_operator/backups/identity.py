"""What a session's run is called and whose it is: computed, so that a run's traces are found."""

from __future__ import annotations

from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import (
    ArmId,
    run_id_of_archive,
    run_id_of_slot,
    run_id_of_trigger,
    run_id_of_uid,
    session_name_of_slot,
    session_name_of_trigger,
)


def run_id_for(appliance_id: str, session: BackupSession) -> RunId:
    """Return the session's run id: from policy, VM and occasion, or for a user's from its uid.

    A session that names a policy's slot or trigger but is not called as the policy's own would be
    is a user's: under one run id two sessions would take and drop each other's snapshots.
    """
    spec, metadata = session.spec, session.metadata
    if spec.archive is not None:
        point = spec.archive.recovery_point_ref.key_from(metadata.namespace)
        repository = spec.stored_in.key_from(metadata.namespace)
        return run_id_of_archive(appliance_id, metadata.key, point, repository)
    if spec.policy_ref is None:
        return run_id_of_uid(metadata.uid)
    policy, vm_id = (
        ObjectKey(metadata.namespace, spec.policy_ref.name),
        ArmId(spec.virtual_machine_id),
    )
    name = metadata.name
    if spec.slot is not None and name == session_name_of_slot(policy.name, vm_id, spec.slot):
        return run_id_of_slot(appliance_id, policy, vm_id, spec.slot)
    token, seen = spec.trigger, spec.trigger_time
    if token is None or seen is None:
        return run_id_of_uid(metadata.uid)
    if name == session_name_of_trigger(policy.name, vm_id, token, seen):
        return run_id_of_trigger(appliance_id, policy, vm_id, token, seen)
    return run_id_of_uid(metadata.uid)


def counted_for(session: BackupSession) -> str:
    """Return whose count the session's snapshot set belongs to, as it is sealed into its tags."""
    policy = session.spec.policy_ref
    return f"{session.metadata.namespace}/{'' if policy is None else policy.name}"
