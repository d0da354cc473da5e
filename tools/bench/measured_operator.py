"""The operator put together as wiring does it, over the world; its looks are timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

import msgspec
from typing_extensions import override

from tests.worlds.memory_archives import MemoryArchiveChains
from tests.worlds.memory_disks import MemoryDisks
from tests.worlds.memory_points import MemoryPoints
from tests.worlds.memory_regions import MemoryBundles
from tests.worlds.memory_restores import MemoryPointsToRestore
from tests.worlds.memory_rewinds import Loose, MemoryCopies, MemoryRewoundMachines
from tests.worlds.memory_signatures import MemorySignatures
from tests.worlds.memory_targets import MemoryMachineParts, MemoryTargets, Target
from tests.worlds.memory_verifications import MemoryVerifications
from tests.worlds.memory_worker_disks import MemoryWorkerDisks
from tests.worlds.memory_workers import MemoryWorkers
from tests.worlds.samples import RING
from tools.bench.api_server import ApiServer, Document
from tools.bench.fleet import Fleet, settings_for
from tools.bench.limited_azure import (
    LimitedDiskAccesses,
    LimitedMachines,
    LimitedRegions,
    LimitedSnapshots,
    Surroundings,
)
from tools.bench.limited_workers import LimitedCommands, LimitedQueues, LimitedWorkers
from tools.bench.turned_time import ComputedClock
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.cluster.recovery_points import StoredRecoveryPoints
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Done, Outcome
from vmbackup_operator.reconciling.work import Work, WorkKind
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions, SessionsOfAllKinds
from vmbackup_operator.sessions.ground import Ground, Pacing
from vmbackup_operator.sessions.intake import Intake
from vmbackup_operator.sessions.intake import Surroundings as Heard
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.seen_regions import SeenRegions
from vmbackup_operator.wiring.operating import Operator, Reconcile
from vmbackup_operator.wiring.tables import backup_sessions


class TimedOperator(Operator):
    """The product's own; notes when each key was to be looked at, and when that began."""

    def __init__(self, clock: ComputedClock) -> None:
        super().__init__()
        self._clock = clock
        self._changed_s: dict[Work, float] = {}
        #: From each change to the look that followed it, with the moment.
        self.waits: list[tuple[float, float]] = []
        self.looks = 0

    @override
    def seen(self, kind: WorkKind, key: ObjectKey, *, gone: bool = False) -> None:
        self._changed_s.setdefault(Work(kind, key), self._clock.monotonic_s())
        super().seen(kind, key, gone=gone)

    def timed(self, kind: WorkKind, reconcile: Reconcile) -> Reconcile:
        """Return *reconcile*, timed."""

        async def look(key: ObjectKey) -> Outcome:
            self.looks += 1
            changed_s = self._changed_s.pop(Work(kind, key), None)
            if changed_s is not None:
                now_s = self._clock.monotonic_s()
                self.waits.append((now_s, now_s - changed_s))
            return await reconcile(key)

        return look


class MeasuredOperator:
    """Everything between the world and the operator, and the operator."""

    def __init__(self, fleet: Fleet, server: ApiServer, around: Surroundings) -> None:
        self.fleet, self.server, self.around = fleet, server, around
        clock = fleet.turned
        self.operator = TimedOperator(clock)
        self.queues = LimitedQueues(around, fleet.queues, fleet.arrived)
        self.book = SessionBook()
        self.allocator = Allocator(self.book, self._wake)
        self.stored = StoredSessions(server)
        self.booked = BookedSessions(
            BackupSession,
            self.stored,
            self.book,
            self.allocator,
            self.operator.sessions_stirred,
        )
        self.kinds = SessionsOfAllKinds(self.booked)
        self.intake = Intake(RING, clock, Heard(self.queues, self.kinds, self._wake))
        self.ground = self._ground()
        self.reconciler = SessionReconciler(self.ground, backup_sessions(self.booked))
        self.operator.sessions = self.booked
        self.serve({"BackupSession": self.reconciler.reconcile})
        server.watch = self._watched
        #: Told of each session that has ended and what it came to, once or more often.
        self.ended: Callable[[ObjectKey, str], None] = lambda _key, _outcome: None

    def serve(self, reconcilers: Mapping[WorkKind, Reconcile]) -> None:
        """Have each kind looked at, timed; kinds without a reconciler have nothing to do."""
        kinds: tuple[WorkKind, ...] = get_args(WorkKind)
        every = {kind: reconcilers.get(kind, _nothing) for kind in kinds}
        self.operator.serve({kind: self.operator.timed(kind, it) for kind, it in every.items()})

    def _ground(self) -> Ground:
        fleet, around, clock = self.fleet, self.around, self.fleet.turned
        names = [f"team-{number:02}" for number in range(fleet.size.namespaces)]
        settings = settings_for([*names, "team"])
        appliance, loose = settings.appliance, Loose()
        return Ground(
            settings=settings,
            ring=RING,
            clock=clock,
            pacing=Pacing(),
            regions=SeenRegions(appliance, LimitedRegions(around), clock),
            virtual_machines=LimitedMachines(around),
            snapshots=LimitedSnapshots(around, RING),
            disk_accesses=LimitedDiskAccesses(around),
            workers=LimitedWorkers(around, RING),
            commands=LimitedCommands(around, fleet.launched),
            bundles=MemoryBundles(fleet.azure),
            signatures=MemorySignatures(fleet.azure),
            queues=self.queues,
            points=fleet.points,
            verifications=MemoryVerifications(MemoryPoints()),
            disks=MemoryDisks(fleet.azure, RING.ownership(appliance.id)),
            points_to_restore=MemoryPointsToRestore(MemoryPoints()),
            targets=MemoryTargets(fleet.azure, Target()),
            machine_parts=MemoryMachineParts(fleet.azure, Target()),
            rewound_machines=MemoryRewoundMachines(fleet.azure, loose),
            worker_disks=MemoryWorkerDisks(fleet.azure, loose, MemoryWorkers(fleet.azure, RING)),
            copies=MemoryCopies(fleet.azure, loose, RING.ownership(appliance.id)),
            archive_chains=MemoryArchiveChains(MemoryPoints()),
            sessions=self.kinds,
            book=self.book,
            allocator=self.allocator,
            undo_records=StoredUndoRecords(self.server, settings.namespace, appliance.id),
            repositories=Objects(self.server, BackupRepository),
            policies=Objects(self.server, BackupPolicy),
            point_objects=StoredRecoveryPoints(self.server, appliance.id),
            events=ToldEvents(self.server, clock, "bench"),
            wake=self._wake,
            listen=self.intake.listen,
            silence=self.intake.silence_of,
        )

    def _wake(self, key: ObjectKey) -> None:
        self.operator.seen("BackupSession", key)

    def _watched(self, plural: str, document: Document, gone: bool) -> None:  # noqa: FBT001 - as the watch tells it
        if plural != "backupsessions":
            return
        # As kopf hands it over: decoded once by the client.
        raw = msgspec.json.decode(msgspec.json.encode(document))
        key = ObjectKey(raw["metadata"]["namespace"], raw["metadata"]["name"])
        with self.fleet.turned.in_the_world():
            if gone and "outcome" in raw.get("status", {}):
                self.ended(key, _said_of(raw["status"]))
        self.operator.session_seen(key, raw, gone=gone)


def _said_of(status: Document) -> str:
    """Return a session's outcome; of one that did not succeed what its conditions say as well."""
    outcome = str(status["outcome"])
    if outcome == "Succeeded":
        return outcome
    told = (each for each in status.get("conditions", ()) if each["status"] == "False")
    return f"{outcome}: " + "; ".join(f"{each['reason']}: {each['message']}" for each in told)


async def _nothing(_key: ObjectKey) -> Outcome:
    return Done()
