"""A repository's upkeep in memory: jobs done chain by chain, VMs that are due, and the operator.

The jobs keep what was done and refuse what the core refuses: who asks them for a deletion where the
history is lost is told so, and the test sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import (
    MemoryPointObjects,
    MemoryUndoRecords,
    ready_repository,
)
from tests.worlds.memory_objects import MemoryEvents, MemoryObjects, MemorySessions
from tests.worlds.memory_policies import MemoryPolicies
from tests.worlds.memory_repositories import MemorySecrets
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    JobRecord,
    LogHead,
    Maintenance,
    UpkeepJob,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.model.session_findings import Verified
from vmbackup_operator.policies.kept_points import PointFacts
from vmbackup_operator.reconciling.outcome import Conflict, Waiting
from vmbackup_operator.reconciling.outcome import Outcome as Answer
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.seen import PointSeen
from vmbackup_operator.upkeep import ports
from vmbackup_operator.upkeep.busy_runs import KnownRuns
from vmbackup_operator.upkeep.ports import GoOn, JobAsked, JobDone
from vmbackup_operator.upkeep.reconciler import UpkeepReconciler
from vmbackup_operator.upkeep.surroundings import Surroundings

REPOSITORY = ObjectKey("team", "repo")
CHAINS = ("a", "b", "c")
DELETES = {"Expire", "Prune"}


class MemoryUpkeepJobs(ports.UpkeepJobs):
    """Does each job for one chain after the other; *troubles* are what a job meets."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.asked: list[JobAsked] = []
        self.troubles: dict[str, Exception | Waiting] = {}
        self.finds: dict[str, JobDone] = {}
        self.number = 7
        #: The head that is there, where the log was put back.
        self.put_back_to: LogHead | None = None
        self.accepting: Waiting | None = None
        self.meets: Callable[[str], None] = lambda _what: None

    @override
    async def work(
        self, repository: BackupRepository, key: UserKey, asked: JobAsked
    ) -> JobDone | GoOn | Waiting:
        self.asked.append(asked)
        if self.put_back_to is not None and asked.job in DELETES:
            raise PermanentError("the log was put back", reason="HistoryRolledBack")
        met = self.troubles.get(asked.job)
        if isinstance(met, Exception):
            raise met
        if met is not None:
            return met
        at = CHAINS.index(asked.cursor) if asked.cursor else 0
        self.meets(f"before {asked.job}")
        self.done.append((asked.job, CHAINS[at]))
        self.meets(f"after {asked.job}")
        if at + 1 < len(CHAINS):
            return GoOn(CHAINS[at + 1], f"{at + 1} of {len(CHAINS)} chains")
        return self.finds.get(asked.job, JobDone(f"{len(CHAINS)} chains looked at"))

    @override
    async def log_number(self, repository: BackupRepository, key: UserKey) -> int | Waiting:
        met = self.troubles.get("log")
        if isinstance(met, Exception):
            raise met
        return self.number if met is None else met

    @override
    async def accept_history(
        self, repository: BackupRepository, key: UserKey, head: LogHead
    ) -> Waiting | None:
        if self.accepting is not None:
            return self.accepting
        if self.put_back_to not in {None, head}:
            message = f"the log ends with {self.put_back_to}, not with {head}"
            raise PermanentError(message, reason="HistoryDiffers")
        self.put_back_to = None
        return None

    def jobs(self) -> list[str]:
        """Return the jobs of which a piece was done, in order, each as often as it began."""
        return [job for job, chain in self.done if chain == CHAINS[0]]


class MemoryMirror(ports.PointsToMirror):
    """The points that are there to be shown, and the runs of those that do not open.

    Each piece is one point.
    """

    def __init__(self) -> None:
        self.points: list[PointSeen] = []
        self.unseen: set[str] = set()
        #: What decides about those that it is told of.
        self.facts: dict[RunId, PointFacts] = {}
        self.waiting: Waiting | None = None
        self.asked: list[tuple[frozenset[RunId], str]] = []
        self.meets: Callable[[str], None] = lambda _what: None

    @override
    async def newest(
        self, repository: BackupRepository, key: UserKey, shown: Mapping[RunId, str], after: str
    ) -> ports.Mirrored | Waiting:
        self.asked.append((frozenset(shown), after))
        self.meets("a look at the points")
        if self.waiting is not None:
            return self.waiting
        done = int(after or 0)
        unseen = frozenset(RunId(each) for each in self.unseen)
        some = self.points[done : done + 1]
        newest = unseen | {each.run_id for each in some}
        missing = [each for each in some if each.run_id not in shown]
        more = str(done + 1) if done + 1 < len(self.points) else None
        facts = [self.facts[each.run_id] for each in some if each.run_id in self.facts]
        return ports.Mirrored(newest, missing, unseen - shown.keys(), more, facts)


class LivePolicies(ports.LivePolicies):
    """Every policy, or the *trouble* that keeps them from being listed."""

    def __init__(self, policies: MemoryPolicies) -> None:
        self._policies = policies
        self.trouble: Exception | None = None

    @override
    async def all_readable(self) -> Sequence[BackupPolicy]:
        if self.trouble is not None:
            raise self.trouble
        return await self._policies.all_readable()


@dataclass(frozen=True, slots=True)
class Due:
    """A VM that is due."""

    vm_id: str
    rota: bool


class MemoryVerifications(ports.DueVerifications):
    """The VMs that are due, until something of them was read back."""

    def __init__(self) -> None:
        self.vms: list[str] = []
        self.rota = True
        self.waiting: Waiting | None = None
        self.trouble: Exception | None = None
        self.verified: dict[str, datetime] = {}
        self.asked: list[tuple[timedelta, timedelta]] = []

    @override
    async def due(
        self,
        repository: BackupRepository,
        new_within: timedelta,
        all_within: timedelta,
        now: datetime,
        verified: Mapping[str, datetime],
    ) -> Sequence[ports.DueMachine] | Waiting:
        self.asked.append((new_within, all_within))
        if self.trouble is not None:
            raise self.trouble
        self.verified = dict(verified)
        return self.waiting or [Due(vm_id, self.rota) for vm_id in self.vms]


class MemoryVerifySessions(MemorySessions):
    """BackupSessions that end when a test says so."""

    def running(self) -> list[BackupSession]:
        return [each for each in self.stored.values() if each.status.outcome is None]

    def end(self, outcome: Outcome = "Succeeded", *, bad: int = 0, message: str = "") -> None:
        """End every session that runs."""
        for each in self.running():
            status = replace(
                each.status,
                outcome=outcome,
                start_time=each.metadata.creation_timestamp,
                completion_time=self.clock.now().replace(microsecond=0),
                verified=Verified(packs=3, bad=bad),
                message=message,
            )
            self.store(replace(each, status=status))


class UpkeepWorld:
    """One repository, ready, and the operator that keeps it up; it is 02:00 on 22 November."""

    def __init__(self, clock: TurnedClock | None = None) -> None:
        self.clock = clock or TurnedClock()
        self.repositories = MemoryObjects(BackupRepository, self.clock)
        self.policies = MemoryPolicies(self.clock)
        self.live = LivePolicies(self.policies)
        self.secrets = MemorySecrets()
        self.secrets.keep(ObjectKey("team", "repo-key"), {"key": bytes(range(32))})
        self.jobs = MemoryUpkeepJobs()
        self.due = MemoryVerifications()
        self.sessions = MemoryVerifySessions(self.clock)
        self.mirror = MemoryMirror()
        self.point_objects = MemoryPointObjects()
        self.records = MemoryUndoRecords()
        self.book = SessionBook()
        self.events = MemoryEvents()
        self.taken_in = True
        self.repositories.put(ready_repository())
        self.start()

    def start(self) -> None:
        """Start the operator, with nothing in its memory."""
        self.reconciler = UpkeepReconciler(
            Surroundings(
                appliance_id=APPLIANCE,
                clock=self.clock,
                repositories=self.repositories,
                secrets=self.secrets,
                jobs=self.worker(),
                policies=self.live,
                busy_runs=KnownRuns(self.book, self.records, self.clock, lambda: self.taken_in),
                due=self.due,
                sessions=self.sessions,
                points=self.mirror,
                point_objects=self.point_objects,
                events=self.events,
            )
        )

    def worker(self) -> ports.UpkeepJobs:
        """Return who does the jobs of the operator that starts."""
        return self.jobs

    def meets(self, meet: Callable[[str], None]) -> None:
        """Have *meet* called around every write and every piece of a job."""
        self.repositories.meets = self.sessions.meets = self.jobs.meets = meet
        self.point_objects.meets = meet

    @property
    def repository(self) -> BackupRepository:
        return self.repositories.stored[REPOSITORY]

    @property
    def maintenance(self) -> Maintenance:
        found = self.repository.status.maintenance
        assert found is not None
        return found

    def record(self, job: UpkeepJob) -> JobRecord:
        return next(each for each in self.maintenance.jobs if each.job == job)

    def outcomes(self) -> dict[str, str]:
        return {each.job: each.outcome for each in self.maintenance.jobs}

    async def look(self) -> Answer:
        return await self.reconciler.reconcile(REPOSITORY)

    async def settle(self, limit: int = 200) -> float:
        """Look as the queue does until a while is to pass; return how long, in seconds."""
        for _ in range(limit):
            try:
                answer = await self.look()
            except Conflict:
                continue
            except TransientError as error:
                return error.retry_after_s or 60.0
            if not isinstance(answer, Waiting):
                return 24 * 3600.0
            if answer.seconds > 0:
                return answer.seconds
        raise AssertionError("upkeep that asks to be looked at without end")

    async def pass_time(self, seconds: float, *, sessions_end: bool = True) -> None:
        """Let *seconds* pass: look when it was asked for, and end sessions in between."""
        left = seconds
        while left > 0:
            wait = min(left, await self.settle())
            self.clock.turn(wait)
            left -= wait
            if sessions_end:
                self.sessions.end()
        await self.settle()

    async def pass_night(self) -> None:
        """Let a day pass, in which one slot lies."""
        await self.pass_time(24 * 3600)

    def annotate(self, **annotations: str) -> None:
        """Have these annotations on the repository, with _ for - and our prefix, and no other."""
        named = {f"vmbackup.dev/{name.replace('_', '-')}": each
                 for name, each in annotations.items()}  # fmt: skip
        metadata = replace(self.repository.metadata, annotations=named)
        self.repositories.put(replace(self.repository, metadata=metadata))

    def edit(self, **upkeep: object) -> None:
        """Write other fields of spec.upkeep."""
        spec = self.repository.spec
        wanted = replace(spec, upkeep=replace(spec.upkeep, **upkeep))
        self.repositories.put(replace(self.repository, spec=wanted))

    def say_ready(self, reason: str, *, ready: bool = True) -> None:
        """Have the repository's condition Ready say *reason*."""
        said = Condition("Ready", "True" if ready else "False", reason, "", self.clock.now())
        status = replace(self.repository.status, conditions=(said,))
        self.repositories.store(replace(self.repository, status=status))


def has(runs: Container[str], run: str) -> bool:
    """Tell whether *run* is busy, as the jobs ask it."""
    return run in runs
