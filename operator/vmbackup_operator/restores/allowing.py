"""Whether a session's namespace may restore a point, and whether it may use what the plan uses."""

from __future__ import annotations

from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.settings import Settings


def source_refused(
    settings: Settings, namespace: str, repository: ObjectKey, vm_id: ArmId
) -> Failed | None:
    """Return why *namespace* may not restore the VM's points out of the repository, if so.

    Whoever keeps the repository may restore what is in it. Others restore the VMs that they back
    up: a repository that teams share holds what is none of theirs.
    """
    if repository.namespace == namespace:
        return None
    if not settings.may_use_repository(namespace, repository.namespace, repository.name):
        return Failed(
            "ScopeNotAllowed",
            f"namespace {namespace} may not use repository {repository}: the operator's settings "
            "do not list it among the namespace's repositories",
        )
    if not settings.may_back_up(namespace, vm_id):
        return Failed(
            "ScopeNotAllowed",
            f"namespace {namespace} may not restore {vm_id} out of repository {repository}: the "
            "operator's settings name no backupScopes for it that hold this VM",
        )
    return None


def machine_refused(settings: Settings, namespace: str, vm_id: ArmId) -> Failed | None:
    """Return that *namespace* may not restore snapshot sets of the VM: who backs it up may."""
    if settings.may_back_up(namespace, vm_id):
        return None
    return Failed(
        "ScopeNotAllowed",
        f"namespace {namespace} may not restore snapshots of {vm_id}: the operator's settings "
        "name no backupScopes for it that hold this VM",
    )


def target_refused(settings: Settings, namespace: str, planned: Planned) -> Failed | None:
    """Return which id of the plan lies where *namespace* may not restore to, if one does."""
    for each in planned.ids_used:
        if not settings.may_restore_into(namespace, each):
            return Failed(
                "ScopeNotAllowed",
                f"namespace {namespace} may not use {each} in a restore: the operator's settings "
                "name no restoreScopes for it that hold this",
            )
    return None
