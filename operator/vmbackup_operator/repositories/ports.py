"""What BackupRepositories need of Kubernetes, of Azure and of the repository itself.

Every method may be called twice; asking twice is asking once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository, LogHead
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting


@dataclass(frozen=True, slots=True)
class RepositorySeen:
    """An opened repository, and what its log says.

    *owner* is the appliance that may write there. *log* is the log's newest object as it is
    remembered; *history_lost* says why its history is not the one that was known, empty where it
    is: then *log* is what was known, and *log_found* the newest object that is there.
    """

    id: RepositoryId
    owner: str | None
    key_fingerprint: str
    format: str
    recovery_points: int
    log: LogHead | None = None
    history_lost: str = ""
    log_found: LogHead | None = None


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
        self, repository: BackupRepository, key: UserKey
    ) -> RepositorySeen | Waiting:
        """Open the repository in the container and the one beside it; begin it where none is.

        A new one is begun in the appliance's name, and only where the object has never stood for
        one; then the container beside is made, too. PermanentErrors: ``ContainerNotFound``,
        ``ControlContainerMissing``, ``KeyMismatch`` (naming the fingerprints), ``ForeignObjects``
        and ``RepositoryThere`` (the containers hold something else), ``NotInitialised``,
        ``NotAuthorized``, ``NewerFormat``, ``ImmutabilityNotSupported`` (what the object wants
        locked cannot be). `Waiting`: it takes a while, and is to be asked again.
        """
