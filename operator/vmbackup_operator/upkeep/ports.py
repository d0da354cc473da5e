"""What upkeep needs of repositories, of policies and of sessions.

Every method may be called twice, or again after a crash, and asking twice is asking once. Not-yet
is a value (`Waiting`), and no method waits longer than about two seconds.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from vmbackup_core.ids import RunId
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository, LogHead, Sight
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import Kept, RecoveryPoint
from vmbackup_operator.policies.kept_points import PointFacts
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.point_mirror import PointObject
from vmbackup_operator.sessions.seen import PointSeen

#: What is done at the repository itself. Verify is not among them, a session for each VM, nor is
#: Mirror, which is done to objects in the cluster.
Job = Literal["Catalog", "Expire", "Prune", "Lists", "Check"]


@dataclass(frozen=True, slots=True)
class JobDone:
    """What a job came to, once it is done.

    *message* says to people what was found and done. *findings* tells that something is wrong with
    the repository, not with the job. Each of *events* is worth an Event. *stored_bytes* is the size
    of the repository, where the job has seen all of it.
    """

    message: str
    findings: bool = False
    events: tuple[str, ...] = ()
    stored_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GoOn:
    """A job goes on in pieces: it is asked again with *cursor*, of 1024 characters at most."""

    cursor: str
    message: str


@dataclass(frozen=True, slots=True)
class JobAsked:
    """A job, and all that it is decided by beside the repository.

    *cursor* is what the last `GoOn` said, or nothing at the beginning. After a crash an earlier one
    may come again. For Expire *rules* has the live policies of the repository by namespace and
    name, and a policy that is not in it is gone; for any other job it is empty. *busy_runs* are the
    runs of sessions that are unfinished and of claims, whose commits are not pointless: whoever
    looks whether a run is among them asks when it decides, from any thread, and not earlier, since
    runs come. *sights* say when the log had been read up to which number, the oldest first; none is
    ahead of now.
    """

    job: Job
    cursor: str
    retention_delay: timedelta
    rules: Mapping[tuple[str, str], LiveRule]
    busy_runs: Container[RunId]
    sights: tuple[Sight, ...]


class UpkeepJobs(Protocol):
    """A repository's jobs, done piece by piece so that backups have their turn in between."""

    async def work(
        self, repository: BackupRepository, key: UserKey, asked: JobAsked
    ) -> JobDone | GoOn | Waiting:
        """Do a piece of the job, and return what it came to.

        A piece that was done before is no harm. Where the history of the repository is not the one
        that was known, or it is another appliance's, a job that would delete or write raises
        PermanentError. What may pass is a TransientError.
        """

    async def log_number(self, repository: BackupRepository, key: UserKey) -> int | Waiting:
        """Return the number of the newest object of the log; the log is read up to it."""

    async def accept_history(
        self, repository: BackupRepository, key: UserKey, head: LogHead
    ) -> Waiting | None:
        """Take the log's history as it is, of which *head* is the newest object that was found.

        PermanentError ``HistoryDiffers`` where that is another one.
        """


class Repositories(Protocol):
    """BackupRepository objects."""

    async def find(self, key: ObjectKey) -> BackupRepository | None:
        """Return the repository as stored, or None."""

    async def write_status(self, repository: BackupRepository) -> BackupRepository:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


class LivePolicies(Protocol):
    """Every BackupPolicy that there is."""

    async def all_readable(self) -> Sequence[BackupPolicy]:
        """Return every policy of every namespace, read from the API server.

        Where one of them cannot be read this raises PermanentError ``UnreadableObject`` that names
        it: what is not in the answer counts as gone.
        """


class BusyRuns(Protocol):
    """The runs whose commits may still come to a recovery point."""

    async def now(self) -> Container[RunId] | Waiting:
        """Return them, to be asked at any time; `Waiting` until all sessions are known."""


class DueMachine(Protocol):
    """A VM of which something is to be read back."""

    @property
    def vm_id(self) -> str:
        """The VM's ARM id."""

    @property
    def rota(self) -> bool:
        """Whether it is the turn of packs that were read back before."""


class DueVerifications(Protocol):
    """What of a repository is to be read back."""

    async def due(
        self,
        repository: BackupRepository,
        new_within: timedelta,
        all_within: timedelta,
        now: datetime,
        verified: Mapping[str, datetime],
    ) -> Sequence[DueMachine] | Waiting:
        """Return the VMs of which new packs, or old ones, are due; the longest due first.

        *verified* says when old packs of a VM, by its ARM id in lower case, were read back last.
        """


class VerifySessions(Protocol):
    """The BackupSessions of type Verify that upkeep makes."""

    async def find(self, key: ObjectKey) -> BackupSession | None:
        """Return the session as stored, or None."""

    async def of_repository(self, repository: ObjectKey) -> Sequence[BackupSession]:
        """Return every session that upkeep made for the repository, ended ones too."""

    async def create(self, session: BackupSession) -> BackupSession:
        """Create the session; where one of that name is there, return that one unchanged."""

    async def delete(self, session: BackupSession) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Some VMs of a repository, and what the cluster is to show of them.

    *newest* are the runs of each one's newest points, those of *missing* and *unseen* among them.
    *missing* are the points that were not shown before; *unseen* did not open. It goes on behind
    *after*; None: these were the last VMs. *facts* decide about those of the newest that open.
    """

    newest: frozenset[RunId]
    missing: Sequence[PointSeen] = ()
    unseen: frozenset[RunId] = frozenset()
    after: str | None = None
    facts: Sequence[PointFacts] = ()


class PointsToMirror(Protocol):
    """The recovery points of repositories, as far as they are shown."""

    async def newest(
        self, repository: BackupRepository, key: UserKey, shown: Mapping[RunId, str], after: str
    ) -> Mirrored | Waiting:
        """Return what is to be shown of some VMs, of those behind *after* that come first.

        It is what the log says after the call that was given *shown*: the runs whose objects there
        are, with their VMs' ids. An answer that was begun for other ones is not given for these.
        PermanentError ``HistoryRolledBack`` where the history is not the one that was known.
        """


class PointObjects(Protocol):
    """RecoveryPoint objects."""

    async def made_by_us(self, namespace: str) -> Sequence[PointObject]:
        """Return those that this appliance has made in the namespace."""

    async def ensure(self, point: RecoveryPoint) -> None:
        """Create the object unless it is there, with all that is shown of it.

        PermanentError where the cluster takes no such object.
        """

    async def show(self, point: PointObject, kept: Kept) -> None:
        """Have the object say why its point is kept, if it is still the one with this uid."""

    async def remove(self, point: PointObject) -> None:
        """Delete the object if it is still the one with this uid; gone already is no error."""


class EventLog(Protocol):
    """Kubernetes Events: what a person reads under ``kubectl describe``."""

    async def tell(
        self, about: BackupRepository, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Record that something happened to *about*; losing one is no failure."""
