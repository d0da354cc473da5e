"""What the session's steps see of Azure and of repositories, and what they ask for: values.

They are made by the adapters from Azure's answers and by the steps from what they recorded; nothing
here calls anybody. A URL that carries a SAS is a `SecretUrl`, which prints itself without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from typing_extensions import override

from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId, WorkerId
from vmbackup_core.repository.control.points.points import Origin, PointDisk
from vmbackup_core.repository.data.said import Kind
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.exclusions import ExcludedDisk
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Waiting


@dataclass(frozen=True, slots=True)
class SecretUrl:
    """A URL whose query opens something; it may enter a sealed message, never a log or a status."""

    value: str = field(repr=False)
    expires_at: datetime | None = None

    @override
    def __str__(self) -> str:
        return self.value.split("?", 1)[0]


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """One managed disk of a VM; *lun* is None for the OS disk."""

    id: ArmId
    name: str
    unique_id: DiskUniqueId
    lun: int | None
    size_bytes: int
    sku: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnmanagedDisk:
    """A data disk that lies in a storage account: there are no snapshots of it, and no tags."""

    name: str
    lun: int


@dataclass(frozen=True, slots=True)
class VirtualMachineSeen:
    """A VM as it is now; *disks* are its managed ones.

    *unique_id* is Azure's ``vmId``. *description* is a JSON object with what a restore needs and
    Azure would forget with the VM (its own body, its disks', its network interfaces'), no secrets.
    """

    id: ArmId
    name: str
    region: str
    unique_id: str
    disks: tuple[DiskSeen, ...]
    description: str
    unmanaged: tuple[UnmanagedDisk, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account, and the URLs of its services without a slash at their ends."""

    id: ArmId
    blob_url: str
    queue_url: str


def account_of(account_id: ArmId) -> Account:
    """Return the account as Azure's public cloud addresses it."""
    name = folded(name_of(account_id))
    return Account(
        account_id,
        f"https://{name}.blob.core.windows.net",
        f"https://{name}.queue.core.windows.net",
    )


@dataclass(frozen=True, slots=True)
class Region:
    """A region environment that is ready: what a session needs of it, read from Azure."""

    name: str
    subscription_id: str
    region: str
    resource_group: str
    virtual_network_id: ArmId
    worker_subnet_id: ArmId
    endpoint_subnet_id: ArmId
    blob_zone_id: ArmId
    account: Account
    worker_size: str
    worker_image: str
    max_workers: int = 1
    private: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


NetworkAccess = Literal["AllowAll", "AllowPrivate", "DenyAll"]


@dataclass(frozen=True, slots=True)
class SnapshotSeen:
    """A snapshot as Azure holds it.

    *ready*: provisioned, and its data complete (``completionPercent`` 100).
    *unique_id*: what tells it from one that is taken again under the same ARM id.
    *failure*: why Azure gave up on it, else None. *exported*: a SAS on it is valid.
    """

    id: ArmId
    source_disk_id: ArmId
    source_unique_id: DiskUniqueId
    unique_id: SnapshotUniqueId
    size_bytes: int
    created_at: datetime
    tags: Mapping[str, str]
    ready: bool
    failure: str | None
    network_access: NetworkAccess
    public_access: bool
    disk_access_id: ArmId | None
    exported: bool
    incremental: bool = True
    region: str = ""


@dataclass(frozen=True, slots=True)
class DiskOfSet:
    """A disk as a snapshot set has it; *lun* is None for the OS disk."""

    id: str
    name: str
    lun: int | None
    size_bytes: int
    snapshot_id: str
    snapshot_unique_id: SnapshotUniqueId


@dataclass(frozen=True, slots=True)
class PointOfSet:
    """A recovery point as far as its snapshot set holds it.

    *description* is what Azure said of the VM; empty where that is not known. *created_at* is the
    latest of its snapshots' times; None of a set that stands alone, whose snapshots say it.
    """

    run_id: RunId
    virtual_machine_id: ArmId
    virtual_machine_region: str
    disks: tuple[DiskOfSet, ...]
    description: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SnapshotWanted:
    """An incremental snapshot: ``DenyAll``, public access off, *tags* in the creating PUT."""

    id: ArmId
    region: str
    disk_id: ArmId
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DiskAccessSeen:
    """A disk access of ours; *ready* once its private endpoint is approved and in the zone.

    *waiting* says for what, where it was asked for and is not.
    """

    id: ArmId
    ready: bool
    waiting: Waiting | None = None


WorkerState = Literal[
    "creating", "running", "starting", "deallocating", "deallocated", "deleting", "failed"
]


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker VM of ours, by its tags; *changed_at* is when Azure last finished a change to it.

    *doubt*: why nobody can tell whether it is ours, since its key has left the ring. Such a one
    counts among the region's, and is not touched. *outdated*: an older key of the ring sealed it.
    *zone* is empty for one that is in none.
    """

    vm_id: ArmId
    id: WorkerId
    state: WorkerState
    changed_at: datetime | None
    failure: str | None = None
    doubt: str = ""
    outdated: bool = False
    zone: str = ""


@dataclass(frozen=True, slots=True)
class WorkerWanted:
    """A worker to launch: Ubuntu 22.04 LTS, one NIC without a public address in the worker subnet.

    VM, NIC and OS disk carry *tags* and are called after the VM; *run_id* is whose need it is. It
    is in the *zone*, where one is named.
    """

    vm_id: ArmId
    id: WorkerId
    run_id: RunId
    region: Region
    tags: Mapping[str, str]
    zone: str = ""


@dataclass(frozen=True, slots=True)
class CommandWanted:
    """A managed Run Command; *protected* are its protected parameters, hidden wherever printed."""

    vm_id: ArmId
    name: str
    region: str
    script: str
    protected: Mapping[str, str] = field(repr=False)
    timeout_s: int = 600
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandSeen:
    """How a Run Command went; *output* is the tail of both streams, for a person to read.

    A VM without a way to the internet may never tell Azure: ``unknown`` proves nothing.
    """

    state: Literal["running", "succeeded", "failed", "unknown"]
    exit_code: int | None = None
    output: str = ""


@dataclass(frozen=True, slots=True)
class BundleStored:
    """The agent's bundle as it lies in a region's account, every file's MD5 and SHA-256 proved.

    *folder* is the prefix of its blobs in *container*, named by the bundle's id; *list_sha256* is
    the digest of its list, which the launch script compares.
    """

    container: str
    folder: str
    list_sha256: str


@dataclass(frozen=True, slots=True)
class Received:
    """One message taken from a queue; it comes again unless it is removed by its receipt."""

    text: str
    message_id: str
    receipt: str
    dequeue_count: int


@dataclass(frozen=True, slots=True)
class DiskWritten:
    """What a worker says that it has written of a disk: its manifest's whole name, and its digest.

    Nothing of it is believed before the disk is committed.
    """

    manifest: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PointWanted:
    """A recovery point to record: all that it says.

    *created_at* is when its snapshots were taken, *description* the VM's, *policy* None for a
    session that a user wrote, *kind* ``full`` where no disk went on from a predecessor, *origin*
    the point of another repository that an archive is the copy of.
    """

    run_id: RunId
    created_at: datetime
    virtual_machine_id: ArmId
    virtual_machine_name: str
    virtual_machine_region: str
    description: str
    policy: ObjectKey | None
    retention: SessionRetention
    kind: Kind
    disks: tuple[PointDisk, ...]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class PointSeen:
    """A recovery point that exists in a repository."""

    run_id: RunId
    created_at: datetime
    virtual_machine_id: ArmId
    virtual_machine_name: str
    disks: tuple[PointDisk, ...]
    virtual_machine_region: str
    #: The policy that asked for it; empty for a session that a user wrote.
    policy_name: str = ""
    #: An archive is the copy of a point of another repository.
    type: Literal["Backup", "Archive"] = "Backup"
    #: What is written on it of how long it is kept; None where nobody asked.
    stamp: Stamp | None = None
    #: What Azure said of the VM, as the point has it; empty where that was not kept.
    description: str = ""
    #: The disks that the VM had and that were left out.
    excluded: tuple[ExcludedDisk, ...] = ()
