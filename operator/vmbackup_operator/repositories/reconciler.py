"""Reconciles BackupRepositories: reached, opened with their key or begun, claimed, kept in view."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_operator.model.backup_repository import BackupRepository, BackupRepositoryStatus
from vmbackup_operator.model.conditions import (
    Standing,
    as_ready,
    as_reconciling,
    as_stalled,
    with_conditions,
)
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.metadata import ACCEPT_HISTORY_ANNOTATION, ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import (
    Conflict,
    Done,
    Failed,
    Outcome,
    Waiting,
    reason_of,
)
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.repositories.ports import (
    OpenRepositories,
    Repositories,
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
        key = await find_key(self._secrets, repository)
        waiting = await self._ways.ensure(ArmId(spec.storage_account_id), spec.region)
        if waiting is not None:
            return waiting
        seen = await self._opened.open_or_begin(repository, key)
        if isinstance(seen, Waiting):
            return seen
        known = repository.status.repository_id
        if known is not None and known != seen.id:
            return Failed(
                "RepositoryReplaced",
                f"container {spec.container} holds repository {seen.id}, and held {known}: "
                "make another BackupRepository for it",
            )
        return seen

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
                format=found.format,
                owner=found.owner,
                recovery_points=found.recovery_points,
                log=found.log,
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
            self._standing(repository, found),
            now=self._clock.now(),
            generation=repository.metadata.generation,
        )
        return replace(status, conditions=conditions)

    def _standing(
        self, repository: BackupRepository, found: RepositorySeen | Waiting | Failed
    ) -> Standing:
        match found:
            case Waiting(message=message, reason=reason):
                return as_reconciling(reason, message)
            case Failed(reason=reason, message=message):
                return as_stalled(reason, message)
            case RepositorySeen(id=repository_id, owner=owner):
                own = self._settings.appliance.id
                if owner != own:
                    whose = "nobody's" if owner is None else f"appliance {owner}'s"
                    message = f"repository {repository_id} is {whose}; to this one ({own}) it is"
                    return as_ready(f"{message} read-only until it is claimed", "ReadOnly")
                if found.history_lost:
                    message = f"{found.history_lost}. {_how_to_accept(repository, found)}"
                    return as_ready(message, "HistoryRolledBack")
                points = counted(found.recovery_points, "recovery point")
                return as_ready(f"repository {repository_id}, {points}")


def _how_to_accept(repository: BackupRepository, found: RepositorySeen) -> str:
    """Return what a person does who has looked: it names the history that was found."""
    head, metadata = found.log_found, repository.metadata
    if head is None:
        return "Its log is empty"
    return (
        f"Now its log ends with object {head.number}. Whoever knows why it was put back, and wants "
        f"this history: kubectl annotate --overwrite --namespace {metadata.namespace} "
        f"brepo/{metadata.name} {ACCEPT_HISTORY_ANNOTATION}={head.number}:{head.sha256}"
    )


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
