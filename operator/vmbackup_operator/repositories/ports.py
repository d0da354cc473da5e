"""What BackupRepositories need of Kubernetes, of Azure and of the repository itself.

Every method may be called twice; asking twice is asking once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from vmbackup_core.ids import RepositoryId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting


@dataclass(frozen=True, slots=True)
class RepositoryKey:
    """A repository's key as its Secret holds it, 32 bytes; printing it shows nothing."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RepositorySeen:
    """An opened repository; *appliance_id* is who writes there, by its header."""

    id: RepositoryId
    appliance_id: str
    key_fingerprint: str
    format_version: int
    recovery_points: int


class Repositories(Protocol):
    """BackupRepository objects."""

    async def find(self, key: ObjectKey) -> BackupRepository | None:
        """Return the repository as stored, or None."""

    async def write_status(self, repository: BackupRepository) -> BackupRepository:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


class Secrets(Protocol):
    """Secrets that hold repositories' keys, read by name when needed; never listed or watched."""

    async def find(self, key: ObjectKey) -> dict[str, bytes] | None:
        """Return the values of the Secret, or None where none of that name is marked as a key.

        Who may write a BackupRepository may name any Secret; only the label ``vmbackup.dev/key``,
        which takes the right to write the Secret itself, lets its content be looked at.
        """


class Ways(Protocol):
    """The appliance's private way to a repository's account: an endpoint in the home region."""

    async def ensure(self, storage_account_id: ArmId, region: str) -> Waiting | None:
        """Look, take the next step, and return None once the appliance reaches the account.

        An account that is not there: PermanentError with reason ``StorageAccountNotFound``; one in
        another region than *region*: ``RegionDiffers``.
        """


class OpenRepositories(Protocol):
    """The repository behind the object."""

    async def open_or_begin(
        self, repository: BackupRepository, key: RepositoryKey
    ) -> RepositorySeen:
        """Open the repository in the container; where the container is empty, initialise it.

        A new one is written in the appliance's name. PermanentErrors: ``ContainerNotFound``,
        ``KeyMismatch`` (naming both fingerprints), ``NotARepository`` (the container holds
        something else), ``NotAuthorized``, ``UnsupportedFormat``.
        """
