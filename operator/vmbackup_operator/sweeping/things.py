"""What sessions may leave in Azure, one type for each kind, as it was found there; values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from typing_extensions import override

from vmbackup_core.ids import RepositoryId, RunId, SnapshotUniqueId, WorkerId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.sessions.seen import Account


@dataclass(frozen=True, slots=True)
class OpenAccess:
    """A snapshot of ours that a SAS still reads."""

    snapshot_id: ArmId
    unique_id: SnapshotUniqueId

    @override
    def __str__(self) -> str:
        return f"access to snapshot {self.snapshot_id}"


@dataclass(frozen=True, slots=True)
class LeftSnapshot:
    """A snapshot of ours; *repository_id* is where its run stores, None where it does not say.

    One of a set that stands *alone* is stored nowhere else.
    """

    snapshot_id: ArmId
    unique_id: SnapshotUniqueId
    run_id: RunId
    repository_id: RepositoryId | None
    alone: bool = False
    exported: bool = field(default=False, compare=False)

    @override
    def __str__(self) -> str:
        return f"snapshot {self.snapshot_id}"


@dataclass(frozen=True, slots=True)
class LeftWorker:
    """A worker VM of ours, in a region whose idle workers nobody looks after."""

    vm_id: ArmId
    worker: WorkerId

    @override
    def __str__(self) -> str:
        return f"worker VM {self.vm_id}"


@dataclass(frozen=True, slots=True)
class LeftParts:
    """Interface or OS disk of a worker whose VM is not there."""

    vm_id: ArmId
    worker: WorkerId

    @override
    def __str__(self) -> str:
        return f"interface or disk of worker VM {self.vm_id}, which is not there"


@dataclass(frozen=True, slots=True)
class LeftCommand:
    """A Run Command that launched an agent on a worker of ours."""

    vm_id: ArmId
    name: str

    @override
    def __str__(self) -> str:
        return f"command {self.name} on {self.vm_id}"


@dataclass(frozen=True, slots=True)
class LeftQueue:
    """A queue of one launch of a worker."""

    account: Account
    name: str

    @override
    def __str__(self) -> str:
        return f"queue {self.name} in {name_of(self.account.id)}"


@dataclass(frozen=True, slots=True)
class LeftMessages:
    """Blobs of one launch of a worker, whose names begin with *prefix*."""

    account: Account
    prefix: str

    @override
    def __str__(self) -> str:
        return f"message blobs {self.prefix}… in {name_of(self.account.id)}"


@dataclass(frozen=True, slots=True)
class OldBundle:
    """An agent's bundle that newer ones have taken the place of."""

    account: Account
    folder: str

    @override
    def __str__(self) -> str:
        return f"bundle {self.folder} in {name_of(self.account.id)}"


@dataclass(frozen=True, slots=True)
class LeftUpload:
    """A disk of a restore that never got its content: one that was written whole takes no more."""

    disk_id: ArmId
    run_id: RunId

    @override
    def __str__(self) -> str:
        return f"disk {self.disk_id}, which a restore did not write whole"


Thing: TypeAlias = (
    OpenAccess
    | LeftSnapshot
    | LeftWorker
    | LeftParts
    | LeftCommand
    | LeftQueue
    | LeftMessages
    | OldBundle
    | LeftUpload
)


#: What each kind is called where they are counted.
KINDS: Mapping[type[Thing], str] = {
    OpenAccess: "access",
    LeftSnapshot: "snapshot",
    LeftWorker: "worker",
    LeftParts: "worker_part",
    LeftCommand: "command",
    LeftQueue: "queue",
    LeftMessages: "messages",
    OldBundle: "bundle",
    LeftUpload: "upload",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A region in which the appliance has an account: its workers' group, and that account.

    *looked_after*: its idle workers are stopped and deleted anyway (`sessions.idling`).
    """

    subscription_id: str
    region: str
    resource_group: str
    account: Account
    is_home: bool = False
    looked_after: bool = True


@dataclass(frozen=True, slots=True)
class Catalog:
    """A repository that was read: the runs of the recovery points that count in it."""

    id: RepositoryId
    runs: frozenset[RunId]


@dataclass(frozen=True, slots=True)
class Unread:
    """Why not all recovery points are known: of *repository*, or in general."""

    why: str
    repository: BackupRepository | None = None


@dataclass(frozen=True, slots=True)
class Catalogs:
    """What could be read of all repositories, and why it is not all of it."""

    read: Sequence[Catalog] = ()
    unread: Sequence[Unread] = ()
