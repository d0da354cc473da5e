"""What the session's steps need of Azure, of Kubernetes and of repositories.

The contract of all of them: every method may be called twice, or again after a crash, and asking
twice is asking once. Not-ready is a value (None, False or `Waiting`: "still at it, ask again"), and
no method waits for Azure longer than about two seconds. What is gone already counts as removed.
Foreign errors come out as TransientError or PermanentError, with messages that name the thing and
hold no SAS, key or token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.verify.verify_work import (
    Judged,
    VerifyAsked,
    VerifyWork,
    VmDue,
)
from vmbackup_core.repository.data.verify_told import VerifyTold
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import Kept, RecoveryPoint
from vmbackup_operator.model.session import AnySession, Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.seen import (
    Account,
    BundleStored,
    CommandSeen,
    CommandWanted,
    DiskWritten,
    PointSeen,
    PointWanted,
    Received,
    Region,
    SecretUrl,
    SnapshotSeen,
    SnapshotWanted,
    VirtualMachineSeen,
    WorkerSeen,
    WorkerWanted,
)

#: What a SAS for a container lets its holder do.
ContainerAccess = Literal["read", "write_new", "store", "read_named"]


class VirtualMachines(Protocol):
    """The VMs that are backed up."""

    async def find(self, vm_id: ArmId) -> VirtualMachineSeen | None:
        """Return the VM with all its disks, or None where there is none.

        One whose OS disk can't be snapshotted (ephemeral, unmanaged) is a PermanentError with
        reason ``DiskNotSupported`` that names the disk.
        """


class Snapshots(Protocol):
    """Incremental snapshots of managed disks."""

    async def find(self, snapshot_id: ArmId) -> SnapshotSeen | None:
        """Return the snapshot, or None where there is none."""

    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[SnapshotSeen]:
        """Return every snapshot of the group that carries the appliance's tag."""

    async def request(self, wanted: SnapshotWanted) -> None:
        """Ask for the snapshot; one that is there is left as it is."""

    async def associate(self, snapshot_id: ArmId, disk_access_id: ArmId | None) -> bool:
        """Have it exported through the disk access only (``AllowPrivate``); True once it is so.

        None, in a region that is not private, has it exported over public addresses (``AllowAll``).
        """

    async def grant(self, snapshot_id: ArmId, duration_s: int) -> SecretUrl | None:
        """Return a SAS that reads the snapshot for *duration_s*, or None while Azure makes one.

        While one is open Azure gives that one out again, with the end of its first grant; only
        `revoke` makes room for another one. ``expires_at`` is what the SAS itself says, None where
        it does not.
        """

    async def revoke(self, snapshot_id: ArmId) -> bool:
        """End every access to the snapshot; True once no SAS on it works."""

    async def delete(self, snapshot_id: ArmId) -> bool:
        """Delete the snapshot if it proves to be ours; True once it is gone."""

    async def seal(self, snapshot_id: ArmId, tags: Mapping[str, str]) -> bool:
        """Give the snapshot *tags* beside its others if it proves to be ours; True once it has."""


class Workers(Protocol):
    """Worker VMs; what does not prove to be ours is refused by a PermanentError, not acted on.

    Its reason is ``KeyRingIncomplete`` where the key that sealed it has left the ring.
    """

    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[WorkerSeen]:
        """Return every worker VM of the appliance in a region's group, in order of id.

        Those whose key is missing are among them, with their doubt.
        """

    async def find(self, vm_id: ArmId) -> WorkerSeen | None:
        """Return the worker, or None where there is no such VM."""

    async def ensure(self, wanted: WorkerWanted) -> WorkerSeen:
        """Have NIC and VM made; state ``creating`` until the VM runs."""

    async def start(self, vm_id: ArmId) -> bool:
        """Start a deallocated worker; True once it runs, False also where there is none."""

    async def deallocate(self, vm_id: ArmId) -> bool:
        """Stop the worker and give its cores back; True once it is deallocated or gone."""

    async def delete(self, vm_id: ArmId) -> bool:
        """Delete VM, NIC and OS disk if they prove to be ours; True once they are gone."""

    async def seal(self, vm_id: ArmId) -> bool:
        """Have VM and NIC sealed by the key that seals, not by an older one; True once they are."""


class Commands(Protocol):
    """Managed Run Commands on worker VMs."""

    async def find(self, vm_id: ArmId, name: str) -> CommandSeen | None:
        """Return how the command went, or None where it was never sent."""

    async def run(self, wanted: CommandWanted) -> None:
        """Send the command; asynchronous execution, its success is known otherwise."""

    async def delete(self, vm_id: ArmId, name: str) -> None:
        """Forget the command, unless it has gone or is going; Azure keeps at most 25 for a VM."""


class Bundles(Protocol):
    """The agent's bundle, in the account of the region where it is to run."""

    async def ensure(self, region: Region) -> BundleStored | None:
        """Upload what is missing through a short-lived SAS and prove every file; None meanwhile.

        Each file's MD5 travels with its upload and is compared with what Azure stored; its SHA-256
        is compared before. A file of the bundle on our own disk that differs from the bundle's list
        is a PermanentError with reason ``BundleDamaged`` that names the file.
        """


class Signatures(Protocol):
    """SAS by user delegation, never by account key; *until* is at most seven days away."""

    async def container(
        self, account: Account, container: str, access: ContainerAccess, until: datetime
    ) -> SecretUrl:
        """Return the container's URL, signed for *access*.

        ``read`` lists and reads, ``write_new`` creates blobs beside that, ``store`` reads and
        creates and lists nothing, ``read_named`` reads and lists nothing. None of them permits to
        delete or to overwrite.
        """

    async def queue(
        self, account: Account, queue: str, access: Literal["take", "send"], until: datetime
    ) -> SecretUrl:
        """Return the queue's URL, signed to take messages (read, update, remove) or to add."""

    def forget_keys(self) -> None:
        """Sign with keys that are asked for anew: what was signed before may have been refused."""


class Queues(Protocol):
    """Queues of the home region's account, with the operator's own rights."""

    async def ensure(self, account: Account, queue: str) -> bool:
        """Make the queue unless it is there; True once it is (deleting one takes Azure a while)."""

    async def delete(self, account: Account, queue: str) -> None:
        """Delete the queue with whatever it holds."""

    async def delete_all(self, account: Account, prefix: str) -> None:
        """Delete every queue whose name begins with *prefix*."""

    async def put(self, account: Account, queue: str, text: str, lifetime_s: int) -> None:
        """Append a message; it is not deduplicated, the reader's sequence numbers do that."""

    async def take(self, account: Account, queue: str, lease_s: int) -> Sequence[Received]:
        """Return up to 32 messages and hide them from others for *lease_s*."""

    async def remove(self, account: Account, queue: str, received: Received) -> None:
        """Remove a message that was taken; one whose lease has passed is left to come again."""

    async def spill(self, account: Account, name: str, sealed: bytes, until: datetime) -> SecretUrl:
        """Store what is too large for a queue in a blob and return a SAS that reads it.

        It lies in the account's container ``messages``, under a name that begins with *name*. The
        same bytes stored again are one blob, others are another one.
        """

    async def delete_spilled(self, account: Account, prefix: str) -> None:
        """Delete every blob of `spill` whose name begins with *prefix*; none is no error."""


class RecoveryPoints(Protocol):
    """Repositories, opened with the keys of their Secrets.

    What is asked of one repository is done one after the other. `Waiting` says that it takes a
    while: it goes on, and whoever asks the same again gets the answer. A repository that another
    appliance owns is a PermanentError with reason ``ReadOnly`` to whoever writes.
    """

    async def find(
        self, repository: BackupRepository, virtual_machine_id: ArmId, run_id: RunId
    ) -> PointSeen | Waiting | None:
        """Return the VM's recovery point of that run that counts, or None."""

    async def newest(
        self, repository: BackupRepository, virtual_machine_id: ArmId, runs: Collection[RunId]
    ) -> Sequence[PointSeen] | Waiting:
        """Return the VM's newest point and those of *runs*, newest first, as far as they open."""

    async def find_committed(
        self, repository: BackupRepository, disks: Sequence[DiskAsked]
    ) -> Sequence[CommittedDisk | None] | Waiting:
        """Return the run's own commit of each disk's snapshot, or None; nothing is written."""

    async def begin_anew(
        self, repository: BackupRepository, disks: Sequence[DiskAsked], why: str
    ) -> Waiting | None:
        """Have each disk go to a new chain from now on, by order of a person; once for each run.

        The old chain keeps its recovery points.
        """

    async def prepare(
        self, repository: BackupRepository, disks: Sequence[DiskAsked]
    ) -> Sequence[PreparedDisk] | Waiting:
        """Return chain, keys and grant of each disk, for a worker to write it.

        Its chain is begun where there is none, and its newest commit is one that opens then.
        """

    async def commit(
        self,
        repository: BackupRepository,
        disk: DiskAsked,
        written: DiskWritten,
        kept_until: datetime | None = None,
    ) -> CommittedDisk | Waiting:
        """Commit what a worker has written of *disk*; the run's own commit of it is the answer.

        Where the repository locks what counts, what the commit needs is locked first, to the end
        of the generation that *kept_until* is in. ``ImmutabilityNotSupported``: it cannot.
        LostAttempt, where it cannot be committed: the disk is to be prepared and written anew.
        """

    async def record(self, repository: BackupRepository, point: PointWanted) -> PointSeen | Waiting:
        """Have the recovery point count; the same again is no error.

        LostAttempt, where a commit of it is not there; PermanentErrors: ``RecoveryPointExpired``,
        where its commits were let go, and ``RecoveryPointDiffers``.
        """


class Verifications(Protocol):
    """What of repositories is to be read back, and what is believed of what workers say of it."""

    async def next_job(
        self, repository: BackupRepository, vm_id: ArmId, asked: VerifyAsked
    ) -> VerifyWork | Waiting | None:
        """Return the VM's next job; None where nothing of it is due any more.

        Its manifest is held from before it is returned, in the name of the run, until `let_go`.
        By the same cursor it is the same work again, as long as nothing else became of the chain.
        """

    async def sampled(
        self, repository: BackupRepository, vm_id: ArmId
    ) -> Mapping[ChainId, CommitSlot] | Waiting:
        """Return in which slot each chain of the VM was compared last, of those that were."""

    async def judge(
        self, repository: BackupRepository, work: VerifyWork, told: VerifyTold | None
    ) -> Judged | Waiting:
        """Log what is believed of a worker's answer, and return it; no worker was asked: None.

        What is said to be lost is looked at before it is believed.
        """

    async def let_go(self, repository: BackupRepository, run_id: RunId) -> Waiting | None:
        """Have nothing held in the name of the run any more."""

    async def due(
        self,
        repository: BackupRepository,
        new_within: timedelta,
        all_within: timedelta,
        now: datetime,
        verified: Mapping[str, datetime] | None = None,
    ) -> Sequence[VmDue] | Waiting:
        """Return the VMs of which new packs, or old ones, are due; the longest due first.

        *verified* says when the old packs of a VM were last read in turn, by its ARM id in lower
        case; where it does not, the VM's oldest point stands for that.
        """


class StoredSessions(Protocol[AnySession]):
    """The objects of one kind of session in the API server."""

    async def find(self, key: ObjectKey) -> AnySession | None:
        """Return the session as stored, or None."""

    async def write_status(self, session: AnySession) -> AnySession:
        """Replace the status and return what is stored; raise Conflict where it was stale."""

    async def write_finalizers(self, session: AnySession) -> AnySession:
        """Replace ``metadata.finalizers`` alone and return what is stored; raise Conflict."""


class Sessions(Protocol):
    """Sessions of every kind, by the keys that tell them apart (`Session.key`)."""

    async def find(self, key: ObjectKey) -> Session | None:
        """Return the session as stored, or None."""

    async def write_status(self, session: Session) -> Session:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


class Repositories(Protocol):
    """BackupRepository objects."""

    async def find(self, key: ObjectKey) -> BackupRepository | None:
        """Return the repository as stored, or None."""


class Policies(Protocol):
    """BackupPolicy objects."""

    async def find(self, key: ObjectKey) -> BackupPolicy | None:
        """Return the policy as stored, or None."""


class RecoveryPointObjects(Protocol):
    """RecoveryPoint objects: mirrors of what repositories hold."""

    async def find(self, key: ObjectKey) -> RecoveryPoint | None:
        """Return the object as it is stored, or None."""

    async def ensure(self, point: RecoveryPoint) -> None:
        """Create the object unless it is there."""

    async def drop(self, key: ObjectKey, run_id: RunId) -> None:
        """Delete the object where it is of that run; gone already is no error."""

    async def say_kept(self, key: ObjectKey, run_id: RunId, kept: Kept) -> None:
        """Have the object say why its point is kept, where it is of that run."""


class EventLog(Protocol):
    """Kubernetes Events: what a person reads under ``kubectl describe``."""

    async def tell(
        self, about: Session, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Record that something happened to *about*; losing one is no failure."""
