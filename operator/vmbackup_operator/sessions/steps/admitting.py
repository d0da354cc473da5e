"""Whether a session may use what it names, its VM and its repository, and that one is ready."""

from __future__ import annotations

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import ResolvedRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import account_of
from vmbackup_operator.sessions.step import Answer, Skipped
from vmbackup_operator.sessions.steps.repository import ASK_AGAIN_S


def scope_refused(ground: Ground, session: BackupSession) -> Failed | None:
    """Return that the session's namespace may not name its VM or its repository, if that is so."""
    refused = machine_refused(ground, session)
    if refused is not None:
        return refused
    namespace, settings = session.metadata.namespace, ground.settings
    repository = session.spec.stored_in.key_from(namespace)
    if not settings.may_use_repository(namespace, repository.namespace, repository.name):
        return Failed(
            "ScopeNotAllowed",
            f"namespace {namespace} may not use repository {repository}: the operator's settings "
            "do not list it among the namespace's repositories",
        )
    return None


def machine_refused(ground: Ground, session: BackupSession) -> Failed | None:
    """Return that the session's namespace may not name its VM, if that is so."""
    namespace, vm_id = session.metadata.namespace, session.spec.virtual_machine_id
    if ground.settings.may_back_up(namespace, vm_id):
        return None
    return Failed(
        "ScopeNotAllowed",
        f"namespace {namespace} may not back up {vm_id}: the operator's settings name no "
        "backupScopes for it that hold this VM",
    )


def begun_too_late(session: BackupSession) -> Skipped | None:
    """Return that the session began too late, if it did; what it waits for since is not counted."""
    begun, limit = session.status.start_time, session.spec.start_before
    if begun is None or limit is None or begun <= limit:
        return None
    return Skipped(f"it had to start before {limit:%Y-%m-%d %H:%M:%SZ}")


async def ready_repository(ground: Ground, session: BackupSession) -> BackupRepository | Answer:
    """Return the session's repository once it is ready, and ours to write to."""
    key = session.spec.stored_in.key_from(session.metadata.namespace)
    return await ready_repository_at(ground, key)


async def ready_repository_at(ground: Ground, key: ObjectKey) -> BackupRepository | Answer:
    """Return the repository once it is ready, and ours to write to."""
    repository = await ground.repositories.find(key)
    if repository is None:
        message = f"there is no BackupRepository {key}: create it"
        return Waiting(ASK_AGAIN_S, message, "RepositoryNotFound")
    conditions = repository.status.conditions
    claimed_by = repository.status.appliance_id
    if claimed_by not in {None, ground.settings.appliance.id}:
        message = f"BackupRepository {key} is claimed by appliance {claimed_by}"
        return Failed("ClaimedByOtherAppliance", message)
    spec = repository.spec
    if not ground.settings.may_keep_in(key.namespace, spec.storage_account_id, spec.container):
        return Failed(
            "ScopeNotAllowed",
            f"BackupRepository {key} names container {spec.container} of "
            f"{spec.storage_account_id}, which the operator's settings do not name among the "
            f"storageAccounts of namespace {key.namespace}",
        )
    if is_true(conditions, "Ready") and repository.status.repository_id is not None:
        return repository if _is_ours(ground, repository) else _read_only(repository)
    stalled = find_condition(conditions, "Stalled")
    if stalled is not None and stalled.status == "True":
        return Waiting(ASK_AGAIN_S, f"BackupRepository {key}: {stalled.message}", stalled.reason)
    return Waiting(15, f"BackupRepository {key} is not ready yet", "RepositoryNotReady")


def resolved_repository(repository: BackupRepository) -> ResolvedRepository:
    """Return what later steps read of a repository that is ready."""
    repository_id = repository.status.repository_id
    if repository_id is None:
        raise AssertionError("a repository that is ready has its id")
    spec = repository.spec
    account = account_of(ArmId(spec.storage_account_id))
    return ResolvedRepository(
        id=repository_id,
        account_id=spec.storage_account_id,
        container=spec.container,
        region=spec.region,
        url=f"{account.blob_url}/{spec.container}",
        tier=spec.tier,
    )


def _is_ours(ground: Ground, repository: BackupRepository) -> bool:
    return repository.status.owner == ground.settings.appliance.id


def _read_only(repository: BackupRepository) -> Waiting:
    """Return that somebody has to claim the repository: its owner may be gone, or may not be."""
    status = repository.status
    whose = "nobody's" if status.owner is None else f"appliance {status.owner}'s"
    message = f"BackupRepository {repository.metadata.key}: repository {status.repository_id} is"
    return Waiting(ASK_AGAIN_S, f"{message} {whose}, and read-only here", "ReadOnly")
