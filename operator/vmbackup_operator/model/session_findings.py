"""What a backup session finds once and later steps read: VM, disks, places, worker, results."""

from __future__ import annotations

from datetime import datetime

import msgspec

from vmbackup_core.ids import (
    ChainId,
    CommitSlot,
    DiskUniqueId,
    LaunchNonce,
    RepositoryId,
    RunId,
    SnapshotUniqueId,
    WorkerId,
)
from vmbackup_core.repository.data.said import Kind
from vmbackup_operator.model.conditions import cut
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.tiers import RepositoryTier

#: The schema's bound.
_FULL_READ_CHARS = 512


def position_of(lun: int | None) -> str:
    """Return where a disk sits in its VM, in one word: ``os`` or its LUN."""
    return "os" if lun is None else str(lun)


class ResolvedVirtualMachine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The VM as Azure described it when the session began."""

    id: str
    name: str
    region: str
    unique_id: str
    description_digest: str | None = None


class ResolvedDisk(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A managed disk that the session backs up; *lun* is None for the OS disk."""

    id: str
    name: str
    unique_id: DiskUniqueId
    size_bytes: int
    sku: str
    lun: int | None = None

    @property
    def position(self) -> str:
        """Where the disk sits in its VM: see `position_of`."""
        return position_of(self.lun)


class ResolvedRepository(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The repository that was meant when the session began, and the tier that it asked for then."""

    id: RepositoryId
    account_id: str
    container: str
    region: str
    url: str
    tier: RepositoryTier = "Hot"


class ArchiveSource(msgspec.Struct, frozen=True, rename="camel"):
    """Where an archive session reads: the repository that *repository_ref* stood for.

    *run_id* is of the session that made the point which is read there.
    """

    repository_ref: ObjectReference
    repository: ResolvedRepository
    run_id: RunId


class ResolvedEnvironment(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The region environment in which the session's worker runs."""

    subscription_id: str
    region: str
    resource_group: str
    storage_account_id: str
    worker_subnet_id: str
    endpoint_subnet_id: str
    virtual_network_id: str | None = None
    home_storage_account_id: str | None = None


class SnapshotMember(msgspec.Struct, frozen=True, rename="camel"):
    """One snapshot of the session's snapshot set; *disk* is the disk's position.

    *unique_id* tells it from one that is taken again under the same ARM id; *size_bytes* is its
    own, which the disk's may have outgrown meanwhile. *taken_at* is when Azure took it.
    """

    disk: str
    snapshot_id: str
    unique_id: SnapshotUniqueId = SnapshotUniqueId("")
    size_bytes: int = 0
    taken_at: datetime | None = None


class Predecessor(msgspec.Struct, frozen=True, rename="camel"):
    """What a disk's changes are counted from: an earlier snapshot, and what was stored of it.

    *disk* is the disk's position. *run_id* made both, and *slot* and manifest are of its commit.
    """

    disk: str
    snapshot_id: str
    unique_id: SnapshotUniqueId
    run_id: RunId
    slot: CommitSlot
    manifest: str
    manifest_sha256: str


class FullRead(msgspec.Struct, frozen=True, rename="camel"):
    """Why a disk is read whole instead of its changes; *disk* is the disk's position."""

    disk: str
    reason: str
    message: str

    @staticmethod
    def of(disk: str, *, reason: str, message: str) -> FullRead:
        """Return one whose message is as long as the schema lets it be."""
        return FullRead(disk, reason, cut(message, _FULL_READ_CHARS))


class Resolved(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What later steps read instead of looking again; each part is written once.

    *worker_region* is where the worker runs; None where that is the VM's region. *retained* are the
    snapshots of earlier runs that a restore copies, or that a verification compares with: of those
    one that goes meanwhile leaves it.
    *predecessors* are of the disks whose changes a backup reads. *source* is what an archive is
    made of; *repository* is where it goes then.
    """

    policy_generation: int = 0
    virtual_machine: ResolvedVirtualMachine | None = None
    disks: tuple[ResolvedDisk, ...] = ()
    worker_region: str | None = None
    repository: ResolvedRepository | None = None
    environment: ResolvedEnvironment | None = None
    retained: tuple[SnapshotMember, ...] = ()
    predecessors: tuple[Predecessor, ...] = ()
    source: ArchiveSource | None = None


class JobFailure(msgspec.Struct, frozen=True, rename="camel"):
    """What the worker said of a job that ended without its result."""

    reason: str
    message: str
    transient: bool


class SessionWorker(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The worker that serves the session and where their conversation stands.

    *attempt* is the session's that gave it the worker; an *abandoned* one is deleted, and another
    takes its place. *launch* names the start of its agent for this session: key and queues follow
    from it. *credentials_expire_at* is when the SAS of the job that was sent last end.
    *failed_sequence* is the number of the job's message whose failure was counted last.
    """

    id: WorkerId
    vm_id: str
    launch: LaunchNonce | None = None
    jobs_queue: str = ""
    events_queue: str = ""
    job_sequence: int = 0
    failed_sequence: int = 0
    last_event_sequence: int = 0
    last_worker_sequence: int = 0
    key_id: str = ""
    launched_at: datetime | None = None
    last_heartbeat_time: datetime | None = None
    credentials_expire_at: datetime | None = None
    attempt: int = 0
    abandoned: bool = False
    failure: JobFailure | None = None


class Export(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A snapshot to which read access was granted, and the disk access it goes through.

    *expires_at* is when that access ends at the soonest; None where nobody knows.
    """

    snapshot_id: str
    disk_access_id: str | None = None
    expires_at: datetime | None = None


class DiskResult(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What was written of one disk, and its commit; *disk* is the disk's position.

    *manifest* and *manifest_sha256* are the worker's word until the disk is committed, and then the
    commit's. *changed_bytes* is what Azure told to have changed, where it was asked. What follows
    *new_blocks* is there once it is committed.
    """

    disk: str
    manifest: str
    manifest_sha256: str
    read_bytes: int = 0
    changed_bytes: int | None = None
    new_blocks: int = 0
    kind: Kind = "full"
    stored_bytes: int = 0
    chain_id: ChainId | None = None
    slot: CommitSlot | None = None
    commit_digest: str | None = None

    @property
    def is_committed(self) -> bool:
        """Whether the disk's chain has a commit of it."""
        return self.slot is not None


class Archived(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What an archive session has stored, and what taking it away costs.

    *verified_bytes* were read back. *charged_until* is when the tier's least time is over that
    Azure charges in any case; None in a tier that has none. *packs* of the point are counted where
    the tier is Archive, and *tiered* of them are in it.
    """

    tier: RepositoryTier
    verified_bytes: int = 0
    charged_until: datetime | None = None
    packs: int = 0
    tiered: int = 0


class Verified(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What was read back so far, over all jobs, as the operator has judged it.

    *jobs* counts those that were begun, and *cursor* asks for the next one. *unreadable* could not
    be read at the time, which says nothing of it. *archived* packs lie in the Archive tier: nobody
    read them. *findings* are the first few in words.
    *unsampled* says why blocks were compared with no snapshot, or not with all.
    *conclusion* is there once nothing is left that is due.
    """

    packs: int = 0
    records: int = 0
    bytes: int = 0
    bad: int = 0
    refuted: int = 0
    unreadable: int = 0
    archived: int = 0
    sampled: int = 0
    differing: int = 0
    jobs: int = 0
    cursor: str = ""
    unsampled: str = ""
    findings: tuple[str, ...] = ()
    conclusion: str = ""


class VerifyingJob(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The job that a worker reads back by, from before it is given until its result is judged.

    *fingerprint* tells its work from any other, and *result* is what the worker said of it, as
    JSON.
    """

    number: int
    fingerprint: str
    result: str | None = None
