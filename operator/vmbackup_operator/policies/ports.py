"""What policies need of Kubernetes and Azure: their sessions, and whether what they name is there.

Every method may be called twice; asking twice is asking once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId


class Policies(Protocol):
    """BackupPolicy objects."""

    async def find(self, key: ObjectKey) -> BackupPolicy | None:
        """Return the policy as stored, or None."""

    async def write_status(self, policy: BackupPolicy) -> BackupPolicy:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


class PolicySessions(Protocol):
    """The BackupSessions of policies."""

    async def find(self, key: ObjectKey) -> BackupSession | None:
        """Return the session as stored, or None."""

    async def of_policy(self, policy: ObjectKey) -> Sequence[BackupSession]:
        """Return every session with the policy's label in its namespace, ended ones too."""

    async def unfinished(self) -> Sequence[BackupSession]:
        """Return every session without an outcome, read from the API server."""

    async def create(self, session: BackupSession) -> BackupSession:
        """Create the session; where one of that name is there, return that one unchanged."""

    async def write_status(self, session: BackupSession) -> BackupSession:
        """Replace the status and return what is stored; raise Conflict where it was stale."""

    async def delete(self, session: BackupSession) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""


class Repositories(Protocol):
    """BackupRepository objects."""

    async def find(self, key: ObjectKey) -> BackupRepository | None:
        """Return the repository as stored, or None."""


class OtherSubscriptions(Protocol):
    """What the administrator wrote of VMs in other subscriptions than the appliance's."""

    async def exports_refused(self, region: str) -> str:
        """Say why their data may not be exported to the region's workers, empty where it may."""


@dataclass(frozen=True, slots=True)
class DiskListed:
    """A disk as its VM shows it; the OS disk has no LUN.

    *unsupported* says why there can be no snapshot of it, as what follows the disk's name.
    """

    lun: int | None
    name: str = ""
    unsupported: str | None = None


@dataclass(frozen=True, slots=True)
class MachineListed:
    """A VM as a list of a resource group or a subscription shows it."""

    id: ArmId
    disks: tuple[DiskListed, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    region: str = ""

    @property
    def data_disk_luns(self) -> tuple[int, ...]:
        """The LUNs at which the VM has data disks."""
        return tuple(disk.lun for disk in self.disks if disk.lun is not None)


class VirtualMachineLists(Protocol):
    """The VMs that there are, with their tags."""

    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[MachineListed]:
        """Return every VM of the resource group; none where there is no such group.

        No rights to look is a PermanentError that says so.
        """

    async def of_subscription(self, subscription_id: str) -> Sequence[MachineListed]:
        """Return every VM of the subscription; refused as for a resource group."""


class EventLog(Protocol):
    """Kubernetes Events: what a person reads under ``kubectl describe``."""

    async def tell(
        self, about: BackupPolicy, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Record that something happened to *about*; losing one is no failure."""
