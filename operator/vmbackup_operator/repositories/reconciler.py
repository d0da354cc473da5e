"""Reconciles BackupRepositories: reached, opened with their key or begun, claimed, kept in view."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_core.repository import RepositoryKey as CoreKey
from vmbackup_operator.model.backup_repository import BackupRepository, BackupRepositoryStatus
from vmbackup_operator.model.conditions import (
    Standing,
    as_ready,
    as_reconciling,
    as_stalled,
    with_conditions,
)
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import KEY_LABEL, KEY_LABELLED, ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import (
    Conflict,
    Done,
    Failed,
    Outcome,
    Waiting,
    reason_of,
)
from vmbackup_operator.repositories.ports import (
    OpenRepositories,
    Repositories,
    RepositoryKey,
    RepositorySeen,
    Secrets,
    Ways,
)
from vmbackup_operator.settings import Settings

log = logging.getLogger(__name__)

#: How soon a repository that is ready is opened again where nobody wakes it: its own changes do,
#: and the end of each session that used it. Its key, container or way may have gone.
READY_AGAIN_S = 24 * 3600.0
#: How often one is that needs somebody's hand: nothing tells us when a container was made.
STALLED_AGAIN_S = 30.0


class RepositoryReconciler:
    """Looks at one repository at a time."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        repositories: Repositories,
        secrets: Secrets,
        ways: Ways,
        opened: OpenRepositories,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._repositories = repositories
        self._secrets = secrets
        self._ways = ways
        self._opened = opened

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Take the repository a step towards Ready, and write how it stands."""
        repository = await self._repositories.find(key)
        if repository is None or repository.metadata.deletion_timestamp is not None:
            return Done()
        if repository.status.appliance_id not in {None, self._settings.appliance.id}:
            return Done()
        try:
            found = await self._judge(repository)
        except Conflict:
            raise
        except TransientError as error:
            await self._write(repository, Waiting(0, str(error), reason_of(error)))
            raise
        await self._write(repository, found)
        match found:
            case Waiting() as waiting:
                return waiting
            case Failed():
                return Waiting(STALLED_AGAIN_S, "waits for somebody")
            case _:
                return Waiting(READY_AGAIN_S, "ready")

    async def _judge(self, repository: BackupRepository) -> RepositorySeen | Waiting | Failed:
        """Look, and take what only somebody's hand can change for an answer."""
        try:
            return await self._look(repository)
        except PermanentError as error:
            return Failed(error.reason, str(error))
        except CorruptRepository as error:
            return Failed("CorruptRepository", str(error))

    async def _look(self, repository: BackupRepository) -> RepositorySeen | Waiting | Failed:
        """Return the opened repository, or what it waits for."""
        refused = refused_by_tenancy(self._settings, repository)
        if refused is not None:
            return refused
        spec = repository.spec
        key = await self._key(repository)
        if isinstance(key, Failed):
            return key
        waiting = await self._ways.ensure(ArmId(spec.storage_account_id), spec.region)
        if waiting is not None:
            return waiting
        seen = await self._opened.open_or_begin(repository, key)
        own = self._settings.appliance.id
        if seen.appliance_id != own:
            return Failed(
                "ClaimedByOtherAppliance",
                f"container {spec.container} holds repository {seen.id} of appliance "
                f"{seen.appliance_id}; to this one ({own}) it is read-only",
            )
        known = repository.status.repository_id
        if known is not None and known != seen.id:
            return Failed(
                "RepositoryReplaced",
                f"container {spec.container} holds repository {seen.id}, and held {known}: "
                "make another BackupRepository for it",
            )
        return seen

    async def _key(self, repository: BackupRepository) -> RepositoryKey | Failed:
        """Return the key from the Secret that the object names in its own namespace."""
        reference = repository.spec.encryption_key.secret_ref
        where = ObjectKey(repository.metadata.namespace, reference.name)
        values = await self._secrets.find(where)
        if values is None:
            message = f"there is no Secret {where} with the label {KEY_LABEL}={KEY_LABELLED}"
            return Failed("SecretNotFound", f"{message}: create it, or label it")
        value = values.get(reference.key)
        if value is None:
            return Failed("SecretNotFound", f"Secret {where} has no entry {reference.key}")
        return read_key(value, f"Secret {where}, entry {reference.key}")

    async def _write(
        self, repository: BackupRepository, found: RepositorySeen | Waiting | Failed
    ) -> None:
        status = replace(
            repository.status,
            appliance_id=self._settings.appliance.id,
            observed_generation=repository.metadata.generation,
        )
        if isinstance(found, RepositorySeen):
            status = replace(
                status,
                repository_id=found.id,
                key_fingerprint=found.key_fingerprint,
                format_version=found.format_version,
                recovery_points=found.recovery_points,
            )
        status = self._stated(repository, status, found)
        if status != repository.status:
            await self._repositories.write_status(replace(repository, status=status))
            if status.conditions != repository.status.conditions:
                ready = status.conditions[0]
                log.info("repository %s: Ready %s: %s: %s", repository.metadata.key,
                         ready.status, ready.reason, ready.message)  # fmt: skip

    def _stated(
        self,
        repository: BackupRepository,
        status: BackupRepositoryStatus,
        found: RepositorySeen | Waiting | Failed,
    ) -> BackupRepositoryStatus:
        conditions = with_conditions(
            status.conditions,
            _standing(found),
            now=self._clock.now(),
            generation=repository.metadata.generation,
        )
        return replace(status, conditions=conditions)


def refused_by_tenancy(settings: Settings, repository: BackupRepository) -> Failed | None:
    """Return why the repository's namespace may not have it, by what it says alone."""
    namespace, spec = repository.metadata.namespace, repository.spec
    if not settings.may_use_repository(namespace, namespace, repository.metadata.name):
        return Failed(
            "ScopeNotAllowed",
            f"namespace {namespace} may not use its repository {repository.metadata.key}: the "
            "operator's settings do not list it among the namespace's repositories",
        )
    if not settings.may_keep_in(namespace, spec.storage_account_id, spec.container):
        return Failed(
            "ScopeNotAllowed",
            f"namespace {namespace} may not keep backups in container {spec.container} of "
            f"{spec.storage_account_id}: the operator's settings name no storageAccounts for it "
            "that hold this container",
        )
    return None


def read_key(value: bytes, where: str) -> RepositoryKey | Failed:
    """Return the key that a Secret's entry holds: 32 bytes, or the text that `vmbackup` printed."""
    if len(value) == 32:  # noqa: PLR2004 - a key's own bytes
        return RepositoryKey(value)
    try:
        return RepositoryKey(CoreKey.parse(value.decode("ascii")).secret)
    except (UnicodeDecodeError, PermanentError):
        return Failed(
            "InvalidKey", f"{where}: neither 32 bytes nor their 64 hex digits nor their base64"
        )


def _standing(found: RepositorySeen | Waiting | Failed) -> Standing:
    match found:
        case Waiting(message=message, reason=reason):
            return as_reconciling(reason, message)
        case Failed(reason=reason, message=message):
            return as_stalled(reason, message)
        case RepositorySeen(id=repository_id, recovery_points=count):
            return as_ready(f"repository {repository_id}, {counted(count, 'recovery point')}")
