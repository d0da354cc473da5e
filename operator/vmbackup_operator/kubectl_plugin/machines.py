"""Which VM somebody means, and the ids of a policy's VMs, as far as its objects tell; pure.

A policy's status names its VMs as GROUP/NAME. Their ids are in its spec and in its sessions, and
follow from the selector's scopes where these are of one subscription.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.naming import ArmId, arm_id, subscription_of
from vmbackup_operator.policies.machines_shown import shown_name

_MACHINE = "Microsoft.Compute/virtualMachines"


def machine_ids(policy: BackupPolicy, sessions: Iterable[BackupSession]) -> dict[str, ArmId]:
    """Return the ids of the policy's VMs by their names (GROUP/NAME) in small letters."""
    spec = policy.spec
    found = dict(_by_name(_by_scope(policy)))
    found |= _by_name(
        each.spec.virtual_machine_id
        for each in sessions
        if each.spec.policy_ref is not None
        and each.spec.policy_ref.name == policy.metadata.name
        and each.metadata.namespace == policy.metadata.namespace
    )
    found |= _by_name(spec.virtual_machines.ids)
    wanted = {folded(name) for name in protected_names(policy)}
    # Before the operator has looked, the spec's ids are what there is.
    return {name: each for name, each in found.items() if not wanted or name in wanted}


def protected_names(policy: BackupPolicy) -> tuple[str, ...]:
    """Return the names of the VMs that the policy backs up, as far as its status shows them."""
    shown = policy.status.virtual_machines
    return () if shown is None else shown.names


def find_machine(said: str, machines: Mapping[str, ArmId], policy: BackupPolicy) -> ArmId:
    """Return the id of the VM that is called *said*: NAME, GROUP/NAME or an id."""
    asked = folded(said)
    if asked.startswith("/"):
        named = [each for each in machines.values() if folded(each) == asked]
    elif "/" in asked:
        named = [each for name, each in machines.items() if name == asked]
    else:
        named = [each for name, each in machines.items() if name.rpartition("/")[2] == asked]
    if len(named) == 1:
        return named[0]
    if named:
        names = ", ".join(sorted(map(shown_name, named)))
        raise PermanentError(f"{said} may be {names}", reason="AmbiguousVirtualMachine")
    raise PermanentError(
        f"BackupPolicy {policy.metadata.key} backs up no VM {said}, or none whose id is known here",
        reason="UnknownVirtualMachine",
    )


def _by_name(ids: Iterable[str]) -> dict[str, ArmId]:
    return {folded(shown_name(ArmId(each))): ArmId(each) for each in ids}


def _by_scope(policy: BackupPolicy) -> list[ArmId]:
    selector = policy.spec.virtual_machines.selector
    scopes = () if selector is None else selector.scopes
    subscriptions = {folded(subscription_of(ArmId(f"{scope}/"))) for scope in scopes}
    if len(subscriptions) != 1:
        return []
    subscription = subscriptions.pop()
    parts = (name.split("/", 1) for name in protected_names(policy) if "/" in name)
    return [arm_id(subscription, group, _MACHINE, name) for group, name in parts]
