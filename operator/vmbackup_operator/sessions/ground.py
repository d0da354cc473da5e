"""What the steps of a session stand on: the ports, the settings, and what is only in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vmbackup_core.clock import Clock
from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.deadlines import Patience
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.places import Places
from vmbackup_operator.sessions.ports import (
    Bundles,
    Commands,
    DiskAccesses,
    EventLog,
    Queues,
    RecoveryPointObjects,
    RecoveryPoints,
    Repositories,
    Sessions,
    Signatures,
    Snapshots,
    VirtualMachines,
    Workers,
)
from vmbackup_operator.sessions.seen import SecretUrl
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
    #: How long SAS of exports, queues and repositories are good for; renewed with a quarter left.
    credentials_s: int = 6 * 3600
    #: Soonest repetition of a look at something that Azure is at.
    look_again_s: float = 5.0
    #: How long a step may stand still, and how long the last ones are tried before they are left
    #: to the sweeper.
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that a step may use; one for the whole operator."""

    settings: Settings
    ring: KeyRing
    clock: Clock
    pacing: Pacing
    places: Places
    virtual_machines: VirtualMachines
    snapshots: Snapshots
    disk_accesses: DiskAccesses
    workers: Workers
    commands: Commands
    bundles: Bundles
    signatures: Signatures
    queues: Queues
    points: RecoveryPoints
    sessions: Sessions
    book: SessionBook
    allocator: Allocator
    undo_records: UndoRecords
    repositories: Repositories
    point_objects: RecoveryPointObjects
    events: EventLog
    #: Has a session looked at soon: one that waited for what is free again.
    wake: Callable[[ObjectKey], None]
    #: Tells the intake that a worker is about to say something.
    listen: Callable[[], None]
    #: Tells how long a worker has been silent that was last known to have spoken at that time.
    silence: Callable[[WorkerId, datetime], timedelta]
    #: SAS of granted exports by snapshot: never anywhere but here and in sealed jobs.
    grants: dict[ArmId, SecretUrl] = field(default_factory=dict)

    def credentials_until(self) -> datetime:
        """Return when what is signed at this moment shall end."""
        return self.clock.now() + timedelta(seconds=self.pacing.credentials_s)

    def is_worn(self, expires_at: datetime | None) -> bool:
        """Tell whether what ends then has less than a quarter of its time left."""
        if expires_at is None:
            return False
        left = expires_at - self.clock.now()
        return left < timedelta(seconds=self.pacing.credentials_s / 4)
