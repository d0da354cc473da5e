"""What the sweeper needs of Azure, of repositories and of Kubernetes.

Every method may be called twice. Foreign errors come out as TransientError or PermanentError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.seen import Account
from vmbackup_operator.sweeping.things import Catalog, LeftParts, LeftUpload, Place


class Remains(Protocol):
    """What lies in Azure that sessions made, found without any object that knows of it.

    Only what is called as ours is named; nothing is changed but by `delete_bundle`.
    """

    async def places(self) -> Sequence[Place]:
        """Return the regions in which an account proves to be ours, by the account's seal."""

    async def parts(self, place: Place) -> Sequence[LeftParts]:
        """Return the workers of which an interface or OS disk is there, and no VM."""

    async def commands(self, vm_id: ArmId) -> Sequence[str]:
        """Return the names of the commands on the worker that launched agents."""

    async def queues(self, account: Account) -> Sequence[str]:
        """Return the names of the queues that were made for launches of workers."""

    async def messages(self, account: Account) -> Sequence[str]:
        """Return how the names of the message blobs begin, once for each launch of a worker."""

    async def old_bundles(self, account: Account) -> Sequence[str]:
        """Return the folders of bundles that newer ones have taken the place of."""

    async def uploads(
        self, subscription_id: str, resource_group: str | None
    ) -> Sequence[LeftUpload]:
        """Return the disks that restores made there and that still take an upload.

        In the whole subscription without a group. None but those whose seal proves them ours.
        """

    async def delete_bundle(self, account: Account, folder: str) -> None:
        """Delete the folder's blobs; gone already is no error."""


class RepositoryCatalogs(Protocol):
    """The catalogs of repositories."""

    async def read(self, repository: BackupRepository) -> Catalog | Waiting:
        """Return the runs of all its points that count.

        PermanentError where it can't be read, or its history is not the one that was known.
        """


class AllRepositories(Protocol):
    """Every BackupRepository object."""

    async def all_readable(self) -> Sequence[BackupRepository]:
        """Return all; PermanentError ``UnreadableObject`` names one that can't be read."""


class EventLog(Protocol):
    """Kubernetes Events."""

    async def tell(
        self, about: BackupRepository, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Record that something happened to *about*; losing one is no failure."""
