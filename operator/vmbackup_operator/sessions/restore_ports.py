"""What the steps of a restore need of Azure's disks and of repositories, and what they see there.

The contract of `sessions/ports.py` is that of these too: asking twice is asking once, not-ready is
a value, and no foreign error comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.chains.holds import Purpose
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened_restore import Archived, RestoreWork
from vmbackup_core.stores.archive_tier import Priority
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.seen import SecretUrl

#: What a disk's ``diskState`` is while it takes an upload: before, and while a SAS is open.
UPLOADING = frozenset({"ReadyToUpload", "ActiveUpload"})


@dataclass(frozen=True, slots=True)
class DiskMade:
    """A disk as Azure holds it.

    *run_id* made it, as tags say that prove it ours; None where it is somebody else's, and then
    *doubt* says why. *state* is Azure's ``diskState``, *failure* why Azure gave up on it, else
    None.
    """

    id: ArmId
    run_id: RunId | None
    ready: bool
    state: str
    size_bytes: int
    disk_access_id: ArmId | None = None
    failure: str | None = None
    doubt: str = ""

    @property
    def takes_upload(self) -> bool:
        """Whether content can be written to it: once access has ended it never can again."""
        return self.state in UPLOADING


@dataclass(frozen=True, slots=True)
class DiskToMake:
    """A disk that is made for an upload of *size_bytes*, by the run *run_id*.

    *body* is the PUT's but for content, access and our tags; *creation_data* stands beside the
    upload's own. It is reached through the disk access only, where one is named.
    """

    id: ArmId
    run_id: RunId
    size_bytes: int
    disk_access_id: ArmId | None
    body: Mapping[str, Any]
    creation_data: Mapping[str, Any] = field(default_factory=dict)


class Disks(Protocol):
    """Managed disks that are made of recovery points; none but those of one's run is touched.

    What does not prove to be ours, and that run's, is a PermanentError with reason ``NotOurs``,
    or ``KeyRingIncomplete`` where the key that sealed it has left the ring.
    """

    async def find(self, disk_id: ArmId) -> DiskMade | None:
        """Return the disk, or None where there is none."""

    async def request(self, wanted: DiskToMake) -> None:
        """Ask for the disk, ready for its upload; one that is there is left as it is."""

    async def grant(self, disk_id: ArmId, run_id: RunId, duration_s: int) -> SecretUrl | None:
        """Return a SAS that writes the disk for *duration_s*, or None while Azure makes one.

        While one is open Azure gives that one out again. Once it has ended there is no other: the
        upload is over for good.
        """

    async def revoke(self, disk_id: ArmId, run_id: RunId) -> bool:
        """End every access to the disk, which is one like any other then; True once no SAS works.

        One that is not there has none, and one that was never granted stays ready for its upload.
        """

    async def change(self, disk_id: ArmId, run_id: RunId, body: Mapping[str, Any]) -> bool:
        """Have the disk changed as *body* says, once access to it has ended; True once it is.

        One that is so already is left alone, whoever has it by then.
        """

    async def delete(self, disk_id: ArmId, run_id: RunId) -> bool:
        """Delete the disk; True once it is gone."""


class PointsToRestore(Protocol):
    """Recovery points of repositories, as workers bring them back."""

    async def plan(
        self,
        repository: BackupRepository,
        vm_id: ArmId,
        run_id: RunId,
        holder: RunId,
        purpose: Purpose = "restore",
    ) -> RestoreWork | Waiting:
        """Return what restores the VM's point of that run, held in the name of the run *holder*.

        The same copies it, held for the *purpose* that is said.

        PermanentErrors: the point counts no longer. What is damaged is a CorruptRepository.
        """

    async def look_at_archived(
        self, repository: BackupRepository, point: RecoveryPoint, holder: RunId
    ) -> Archived | Waiting:
        """Return what of *point* lies in the Archive tier; nothing is done about it."""

    async def bring_back(
        self,
        repository: BackupRepository,
        point: RecoveryPoint,
        holder: RunId,
        priority: Priority,
    ) -> Archived | Waiting:
        """Have what of *point* is in the Archive tier copied for *holder*; return how far it is.

        What is there already is not asked for again; of very much only a part is at a time.
        """

    async def remove_copies(self, repository: BackupRepository, holder: RunId) -> int | Waiting:
        """Delete what was copied for *holder*, also what is on its way; return how much it was."""
