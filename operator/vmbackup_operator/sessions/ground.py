"""What the steps of a session stand on: the ports, the settings, and what is only in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vmbackup_core.clock import Clock
from vmbackup_core.ids import LaunchNonce, RunId, WorkerId
from vmbackup_core.protocol import new_launch
from vmbackup_core.repository.control.verify.verify_work import VerifyAsked, VerifyWork
from vmbackup_core.repository.opened_restore import RestoreWork
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.archive_ports import ArchiveChains
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.deadlines import Patience
from vmbackup_operator.sessions.judged_sets import JudgedSets
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.ports import (
    Bundles,
    Commands,
    EventLog,
    Policies,
    Queues,
    RecoveryPointObjects,
    RecoveryPoints,
    Repositories,
    Sessions,
    Signatures,
    Snapshots,
    Verifications,
    VirtualMachines,
    Workers,
)
from vmbackup_operator.sessions.region_ports import DiskAccesses
from vmbackup_operator.sessions.restore_ports import Disks, PointsToRestore
from vmbackup_operator.sessions.rewind_ports import Copies, RewoundMachines, WorkerDisks
from vmbackup_operator.sessions.seen import PointOfSet, SecretUrl
from vmbackup_operator.sessions.seen_regions import SeenRegions
from vmbackup_operator.sessions.target_ports import MachineParts, RestoreTargets
from vmbackup_operator.sessions.undo_record import UndoRecords
from vmbackup_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Pacing:
    """How long things may take, and how long what is handed out is good for."""

    #: How long a worker may be silent.
    worker_timeout_s: float = 300.0
    #: How long a worker may take from its Run Command to its first word: the command itself takes
    #: 20 s at least on Azure, the download of the bundle and private DNS records minutes at worst.
    launch_timeout_s: float = 900.0
    #: How long SAS of exports and queues are good for; renewed with a quarter left. Both end with
    #: the session: access is revoked, and the queues are deleted.
    credentials_s: int = 6 * 3600
    #: The same for a repository, which nobody ends: an hour after its release a worker has nothing
    #: in its hands that opens anything. The bundle may be read for as long as a launch may take.
    longest_repository_access_s: int = 3600
    #: Soonest repetition of a look at something that Azure is at.
    look_again_s: float = 5.0
    #: How long a step may stand still, and how long the last ones are tried before they are left
    #: to the sweeper.
    patience: Patience = field(default_factory=Patience)

    @property
    def repository_access_s(self) -> int:
        """How long a way to a repository is good for: never longer than the job's others."""
        return min(self.longest_repository_access_s, self.credentials_s)


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that a step may use; one for the whole operator."""

    settings: Settings
    ring: KeyRing
    clock: Clock
    pacing: Pacing
    regions: SeenRegions
    virtual_machines: VirtualMachines
    snapshots: Snapshots
    disk_accesses: DiskAccesses
    workers: Workers
    commands: Commands
    bundles: Bundles
    signatures: Signatures
    queues: Queues
    points: RecoveryPoints
    verifications: Verifications
    disks: Disks
    points_to_restore: PointsToRestore
    targets: RestoreTargets
    machine_parts: MachineParts
    rewound_machines: RewoundMachines
    worker_disks: WorkerDisks
    copies: Copies
    archive_chains: ArchiveChains
    sessions: Sessions
    book: SessionBook
    allocator: Allocator
    undo_records: UndoRecords
    repositories: Repositories
    policies: Policies
    point_objects: RecoveryPointObjects
    events: EventLog
    #: Has a session looked at soon: one that waited for what is free again.
    wake: Callable[[ObjectKey], None]
    #: Has the intake hear the worker that the session has launched.
    listen: Callable[[Session], None]
    #: Tells how long a worker has been silent that was last known to have spoken at that time.
    silence: Callable[[WorkerId, datetime], timedelta]
    #: Draws the name of a launch.
    new_launch: Callable[[], LaunchNonce] = new_launch
    #: SAS of granted exports by snapshot: never anywhere but here and in sealed jobs.
    grants: dict[ArmId, SecretUrl] = field(default_factory=dict)
    #: Disk accesses that refused an export, in lower case, and until when they get no other one.
    full: dict[str, datetime] = field(default_factory=dict)
    #: Snapshots that nobody reads any more, of sets that others are still read of.
    closed: set[ArmId] = field(default_factory=set)
    #: Snapshot sets whose tags were verified, as long as they are what they were then.
    judged_sets: JudgedSets = field(default_factory=JudgedSets)
    #: What the jobs of verifications read, by what they were asked for in which attempt: an earlier
    #: process's is planned anew. Keys are in it.
    works: dict[RunId, tuple[int, VerifyAsked, VerifyWork]] = field(default_factory=dict)
    #: What restores are made of, by their runs, and planned by which attempt. Keys are in it.
    restore_works: dict[RunId, tuple[int, RestoreWork]] = field(default_factory=dict)
    #: The points that copies are made of, by the runs of the restores that make them.
    copied_points: dict[RunId, PointOfSet] = field(default_factory=dict)
    #: What Azure said of the VMs of runs that are under way, packed; too long for a status.
    descriptions: dict[RunId, bytes] = field(default_factory=dict)

    def credentials_until(self) -> datetime:
        """Return when what is signed at this moment shall end."""
        return self.clock.now() + timedelta(seconds=self.pacing.credentials_s)

    def repository_access_until(self) -> datetime:
        """Return when a way to a repository that is signed at this moment shall end."""
        return self.clock.now() + timedelta(seconds=self.pacing.repository_access_s)

    def bundle_access_until(self) -> datetime:
        """Return when a way to the bundle that a launch is given at this moment shall end."""
        return self.clock.now() + timedelta(seconds=self.pacing.launch_timeout_s)

    def is_worn(self, expires_at: datetime | None, lifetime_s: int | None = None) -> bool:
        """Tell whether what ends then has less than a quarter of its time left."""
        if expires_at is None:
            return False
        left = expires_at - self.clock.now()
        return left < timedelta(seconds=(lifetime_s or self.pacing.credentials_s) / 4)
