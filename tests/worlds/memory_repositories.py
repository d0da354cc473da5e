"""What BackupRepositories rest on, in memory: Secrets, the way to the account, what is in there."""

from __future__ import annotations

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories import ports
from vmbackup_operator.repositories.ports import RepositorySeen


class MemorySecrets(ports.Secrets):
    """Secrets, of which only those that are marked as keys are looked into."""

    def __init__(self) -> None:
        self._secrets: dict[ObjectKey, tuple[dict[str, bytes], bool]] = {}

    def keep(self, key: ObjectKey, values: dict[str, bytes], *, marked: bool = True) -> None:
        self._secrets[key] = (values, marked)

    def drop(self, key: ObjectKey) -> None:
        del self._secrets[key]

    @override
    async def find(self, key: ObjectKey) -> dict[str, bytes] | None:
        values, marked = self._secrets.get(key, ({}, False))
        return dict(values) if marked else None


class MemoryWays(ports.Ways):
    """Ways to accounts: which are there, where, and what the one that is asked for waits for."""

    def __init__(self) -> None:
        self.waiting: Waiting | None = None
        self.lies_in: str | None = None
        self.missing: set[ArmId] = set()
        self.asked: list[ArmId] = []

    @override
    async def ensure(self, storage_account_id: ArmId, region: str) -> Waiting | None:
        self.asked.append(storage_account_id)
        if any(same_id(storage_account_id, each) for each in self.missing):
            message = f"storage account {storage_account_id} does not exist"
            raise PermanentError(message, reason="StorageAccountNotFound")
        if self.lies_in not in {None, region}:
            raise PermanentError(f"{storage_account_id} is elsewhere", reason="RegionDiffers")
        return self.waiting


class MemoryOpening(ports.OpenRepositories):
    """What opening a repository comes to: *found*, or what it raises."""

    def __init__(self) -> None:
        self.found: RepositorySeen | Exception | None = None
        self.keys: list[UserKey] = []

    @override
    async def open_or_begin(self, repository: BackupRepository, key: UserKey) -> RepositorySeen:
        self.keys.append(key)
        if isinstance(self.found, Exception):
            raise self.found
        if self.found is None:
            raise PermanentError("no container", reason="ContainerNotFound")
        return self.found
