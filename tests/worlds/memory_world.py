"""A world for sessions: Azure, Kubernetes and a repository in memory, with agents that work.

The operator in it can be killed at any write and started again: what it kept in memory is gone,
the rest is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from tests.worlds import memory_cluster as cluster_in_memory
from tests.worlds.lost_keys import check_keys
from tests.worlds.memory_agents import (
    Agent,
    ArchivingBehaviour,
    Behaviour,
    ReadingBehaviour,
    RestoringBehaviour,
    job_in,
    started,
)
from tests.worlds.memory_archives import MemoryArchiveChains, archived_by_a_worker
from tests.worlds.memory_azure import APPLIANCE, HOME, Azure, account
from tests.worlds.memory_differences import FallingBack, fallback_of
from tests.worlds.memory_disks import MemoryDisks
from tests.worlds.memory_machines import MemoryMachines
from tests.worlds.memory_objects import MemoryEvents, MemoryObjects, MemorySessions
from tests.worlds.memory_points import CONTAINER, MemoryPoints, SnapshotBytes
from tests.worlds.memory_queues import MemoryQueues
from tests.worlds.memory_regions import MemoryBundles, MemoryDiskAccesses, MemoryRegions
from tests.worlds.memory_restores import MemoryPointsToRestore, Places, restored_by_a_worker
from tests.worlds.memory_rewinds import Loose, MemoryCopies, MemoryRewoundMachines
from tests.worlds.memory_signatures import MemorySignatures
from tests.worlds.memory_snapshots import MemorySnapshots
from tests.worlds.memory_targets import RESTORED_GROUP, MemoryMachineParts, MemoryTargets, Target
from tests.worlds.memory_verifications import MemoryVerifications, read_back_by_a_worker
from tests.worlds.memory_worker_disks import MemoryWorkerDisks
from tests.worlds.memory_workers import MemoryCommands, MemoryWorkers
from tests.worlds.samples import KEY, RING, SETTINGS, machine
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import RefusedForNow
from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import (
    NO_JOB,
    ArchiveJob,
    BackupJob,
    BackupResult,
    Done,
    Event,
    Failed,
    Header,
    Hello,
    LaunchKey,
    Passing,
    Progress,
    RestoreJob,
    Result,
    VerifyJob,
    peek,
    seal,
    write_message,
)
from vmbackup_core.protocol.limits import PASSING_EVENT_S
from vmbackup_core.repository.data.said import MIB
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.restore_session import RestoreKey, RestoreSession, RestoreSessionStatus
from vmbackup_operator.reconciling.outcome import Done as Finished
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions, SessionsOfAllKinds
from vmbackup_operator.sessions.findings import worker_of
from vmbackup_operator.sessions.ground import Ground, Pacing
from vmbackup_operator.sessions.intake import Intake, Surroundings
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.seen import Account, Received, VirtualMachineSeen
from vmbackup_operator.sessions.seen_regions import SeenRegions
from vmbackup_operator.sessions.target_ports import ResourceSeen
from vmbackup_operator.settings import Settings
from vmbackup_operator.wiring.tables import backup_sessions, restore_sessions


class Killed(BaseException):
    """The operator is gone, in the middle of whatever it was at."""


@dataclass
class World:
    """Everything, and the operator in it."""

    clock: TurnedClock = field(default_factory=TurnedClock)
    silent_workers: set[str] = field(default_factory=set)
    behaviour: Behaviour = lambda _job: None
    reading: ReadingBehaviour = lambda _job, result: result
    restoring: RestoringBehaviour = lambda _job: None
    archiving: ArchivingBehaviour = lambda _job: None
    falls_back: FallingBack = lambda _disk: None
    woken: list[ObjectKey] = field(default_factory=list)
    pacing: Pacing = field(default_factory=Pacing)
    ring: KeyRing = RING
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        self.azure = Azure(self.clock)
        self.target, self.loose = Target(), Loose()
        self.target.put(ResourceSeen(RESTORED_GROUP))
        self.sessions = MemorySessions(self.clock)
        self.restores = MemoryObjects(RestoreSession, self.clock)
        self.repositories = MemoryObjects(BackupRepository, self.clock)
        self.policies = MemoryObjects(BackupPolicy, self.clock)
        self.points = MemoryPoints(self.clock)
        self.point_objects = cluster_in_memory.MemoryPointObjects()
        self.events = MemoryEvents()
        self.undo_records = cluster_in_memory.MemoryUndoRecords()
        self.queues = MemoryQueues(self.azure)
        self.agents: dict[str, Agent] = {}
        self.jobs: list[tuple[WorkerId, int, BackupJob]] = []
        self.read_jobs: list[tuple[WorkerId, int, VerifyJob]] = []
        self.restore_jobs: list[tuple[WorkerId, int, RestoreJob]] = []
        self.archive_jobs: list[tuple[WorkerId, int, ArchiveJob]] = []
        #: How often something was said to have happened to a session.
        self.stirs = 0
        self.repositories.put(cluster_in_memory.ready_repository())
        self.add(machine())
        self.start()

    def add(self, seen: VirtualMachineSeen) -> None:
        self.azure.machines[seen.id.lower()] = seen

    def _stirred(self) -> None:
        self.stirs += 1

    def start(self) -> None:
        """Start the operator, with nothing in its memory."""
        self.regions = MemoryRegions(self.azure)
        regions = SeenRegions(SETTINGS.appliance, self.regions, self.clock)
        workers, ownership = MemoryWorkers(self.azure, self.ring), self.ring.ownership(APPLIANCE)
        self.azure.fence = partial(check_keys, self.azure, self.ring)
        self.queues.taken.clear()
        self.points.forget()
        book = SessionBook()
        allocator = Allocator(book, self.woken.append)
        around = (book, allocator, self._stirred)
        self.booked = BookedSessions(BackupSession, self.sessions, *around)
        for session in self.sessions.stored.values():
            self.booked.seen(session)
        self.sessions.watched, self.sessions.gone = self.booked.seen, self.booked.gone
        self.booked_restores = BookedSessions(RestoreSession, self.restores, *around)
        for restore in self.restores.stored.values():
            self.booked_restores.seen(restore)
        self.restores.watched = self.booked_restores.seen
        self.restores.gone = self.booked_restores.gone
        sessions = SessionsOfAllKinds(self.booked, self.booked_restores)
        around_intake = Surroundings(self.queues, sessions, self.woken.append)
        self.intake = Intake(self.ring, self.clock, around_intake)
        self.ground = Ground(
            settings=self.settings,
            ring=self.ring,
            clock=self.clock,
            pacing=self.pacing,
            regions=regions,
            virtual_machines=MemoryMachines(self.azure),
            snapshots=MemorySnapshots(self.azure, self.ring),
            disk_accesses=MemoryDiskAccesses(self.azure),
            workers=workers,
            commands=MemoryCommands(self.azure, workers),
            bundles=MemoryBundles(self.azure),
            signatures=MemorySignatures(self.azure),
            queues=self.queues,
            points=self.points,
            verifications=MemoryVerifications(self.points),
            disks=MemoryDisks(self.azure, ownership),
            points_to_restore=MemoryPointsToRestore(self.points),
            targets=MemoryTargets(self.azure, self.target),
            machine_parts=MemoryMachineParts(self.azure, self.target),
            rewound_machines=MemoryRewoundMachines(self.azure, self.loose),
            worker_disks=MemoryWorkerDisks(self.azure, self.loose, workers),
            copies=MemoryCopies(self.azure, self.loose, ownership),
            archive_chains=MemoryArchiveChains(self.points),
            sessions=sessions,
            book=book,
            allocator=allocator,
            undo_records=self.undo_records,
            repositories=self.repositories,
            policies=self.policies,
            point_objects=self.point_objects,
            events=self.events,
            wake=self.woken.append,
            listen=self.intake.listen,
            silence=self.intake.silence_of,
        )
        self.reconciler = SessionReconciler(self.ground, backup_sessions(self.booked))
        self.restorer = SessionReconciler(self.ground, restore_sessions(self.booked_restores))

    def meets(self, meet: Callable[[str], None]) -> None:
        """Have *meet* called around every write of any kind."""
        self.azure.meets = meet
        self.sessions.meets = meet
        self.restores.meets = meet
        self.points.meets = meet
        self.undo_records.meets = meet

    def status(self, key: ObjectKey = KEY) -> BackupSessionStatus:
        return self.sessions.stored[key].status

    def restored(self, key: RestoreKey) -> RestoreSessionStatus:
        return self.restores.stored[key.at].status

    def conditions(self, key: ObjectKey = KEY) -> tuple[Condition, ...]:
        if isinstance(key, RestoreKey):
            return self.restored(key).conditions
        return self.status(key).conditions

    def condition(self, kind: str, key: ObjectKey = KEY) -> Condition:
        return next(each for each in self.conditions(key) if each.type == kind)

    async def look(self, key: ObjectKey = KEY) -> float | None:
        """Look at the session once; return how long it waits, None where nothing is left."""
        if isinstance(key, RestoreKey):
            outcome = await self.restorer.reconcile(key.at)
        else:
            outcome = await self.reconciler.reconcile(key)
        if isinstance(outcome, Finished):
            return None
        assert isinstance(outcome, Waiting)
        return outcome.seconds

    async def look_again(self, key: ObjectKey = KEY) -> float | None:
        """Look at the session as the queue does it: what is refused for now is asked for later."""
        try:
            return await self.look(key)
        except RefusedForNow as refused:
            return refused.retry_after_s

    async def run(self, *keys: ObjectKey, limit: int = 400) -> None:
        """Run the operator and the agents until nothing is left to do for any of the sessions."""
        left = set(keys or {KEY})
        for _ in range(limit):
            for key in sorted(left, key=str):
                if await self.look_again(key) is None:
                    left.discard(key)
            if not left:
                return
            self.agents_work()
            await self.intake.round()
            self.clock.turn(5)
        raise AssertionError(f"{left} do not end: {[self.conditions(key) for key in left]}")

    async def run_until(self, condition: str, key: ObjectKey = KEY, limit: int = 200) -> None:
        """Run until the session's *condition* is True."""
        for _ in range(limit):
            if any(each.type == condition and each.status == "True"
                   for each in self.conditions(key)):  # fmt: skip
                return
            await self.look_again(key)
            self.agents_work()
            await self.intake.round()
            self.clock.turn(5)
        raise AssertionError(f"{condition} is not reached: {self.conditions(key)}")

    def agents_work(self) -> None:
        """Let every agent whose VM runs do what it does in a few seconds."""
        for (vm_id, name), wanted in list(self.azure.commands.items()):
            worker, given = self.azure.workers[vm_id], wanted.protected
            command = f"{vm_id} {name} {given['VMBACKUP_LAUNCH']}"
            if worker.state == "running" and command not in self.agents:
                said = sum(a.sequence for a in self.agents.values() if a.worker == worker.id)
                self.agents[command] = started(worker.id, given, said)
        newest = {agent.worker: agent for agent in self.agents.values()}
        for worker in self.azure.workers.values():
            agent = newest.get(worker.id)
            if agent and worker.state == "running" and worker.vm_id not in self.silent_workers:
                self._work(agent)

    def _work(self, agent: Agent) -> None:
        now = self.clock.now()
        hello = Hello(agent.worker, agent.launch, "0.1", "0123456789abcdef", "3.10.12", now)
        self._say(agent, NO_JOB, hello)
        # A SAS for a queue that is gone opens nothing.
        queue = self.azure.queues.get((account(HOME).id, agent.jobs_queue), [])
        for message in list(queue):
            header, job = job_in(agent, message.text, self.azure.blobs)
            queue.remove(message)
            match job:
                case None:  # as the agent does: it is never readable any more
                    continue
                case RestoreJob():
                    self.restore_jobs.append((agent.worker, header.sequence, job))
                    self._restore(agent, job, header.sequence)
                case VerifyJob():
                    self.read_jobs.append((agent.worker, header.sequence, job))
                    self._read_back(agent, job, header.sequence)
                case ArchiveJob():
                    self.archive_jobs.append((agent.worker, header.sequence, job))
                    self._archive(agent, job, header.sequence)
                case BackupJob():
                    self.jobs.append((agent.worker, header.sequence, job))
                    self._back_up(agent, job, header.sequence)

    def _back_up(self, agent: Agent, job: BackupJob, number: int) -> None:
        for disk in job.disks:
            if disk.snapshot_url not in self.azure.readable():
                refused = Failed(job.job_id, number, "AccessRefused", "403", transient=True)
                self._say(agent, job.job_id, refused)
                return
        failure = self.behaviour(job)
        if failure is not None:
            self._say(agent, job.job_id, replace(failure, answers=number))
            return
        total = sum(disk.grant.disk_bytes for disk in job.disks)
        self._say(agent, job.job_id, Progress(job.job_id, number, total, total // 2, total // 4))
        done = [
            self.points.write(disk, fallback_of(self.azure, disk, self.falls_back))
            for disk in job.disks
        ]
        self._say(agent, job.job_id, Done(job.job_id, number, BackupResult(done)))

    def _read_back(self, agent: Agent, job: VerifyJob, number: int) -> None:
        data, disk = self.points.containers.container(CONTAINER), None
        if job.sample is not None:
            disk = self._exported(job.sample.snapshot_url)
            if disk is None:
                refused = Failed(job.job_id, number, "AccessRefused", "403", transient=True)
                self._say(agent, job.job_id, refused)
                return
        said = self.reading(job, read_back_by_a_worker(data, job, disk))
        self._end(agent, job.job_id, said, number)

    def _restore(self, agent: Agent, job: RestoreJob, number: int) -> None:
        at = Places(self.azure, self.loose, self.points.data_at(job.repository.container_url))
        said = self.restoring(job) or restored_by_a_worker(at, agent.worker, job, number)
        self._end(agent, job.job_id, said, number)

    def _archive(self, agent: Agent, job: ArchiveJob, number: int) -> None:
        said = self.archiving(job) or archived_by_a_worker(self.azure, self.points, job, number)
        self._end(agent, job.job_id, said, number)

    def _end(self, agent: Agent, job: JobId, said: Result | Failed, number: int) -> None:
        """Say how a job ended, with some progress before where it did not fail."""
        if isinstance(said, Failed):
            self._say(agent, job, replace(said, answers=number))
            return
        self._say(agent, job, Progress(job, number, 2 * MIB, MIB, 0))
        self._say(agent, job, Done(job, number, said))

    def _exported(self, url: str) -> SnapshotBytes | None:
        """Return what *url* reads at this moment, None where it opens no snapshot."""
        for key, snapshot in self.azure.snapshots.items():
            if self.azure.open_sas(key) == url:
                return SnapshotBytes(snapshot.unique_id)
        return None

    def _say(self, agent: Agent, job: JobId, event: Event) -> None:
        agent.sequence += 1
        header = Header("event", agent.worker, job, agent.sequence)
        text = seal(agent.key, header, write_message(event))
        self.say_text(text, agent.events_queue, passing=isinstance(event, Passing))

    def say_text(self, text: str, queue: str = "", *, passing: bool = False) -> None:
        """Put *text* into a worker's events queue: that of the first session's, if none is named.

        What passes expires as it does in Azure; a queue that is gone takes nothing.
        """
        number = str(self.azure.number())
        messages = self.azure.queues.get((account(HOME).id, queue or self.events_queue()))
        if messages is None:
            return
        messages.append(Received(text, number, number, 0))
        if passing:
            self.queues.expires[number] = self.clock.now() + timedelta(seconds=PASSING_EVENT_S)

    def events_queue(self, key: ObjectKey = KEY) -> str:
        return worker_of(self.sessions.stored[key]).events_queue

    def place_of_events(self, key: ObjectKey = KEY) -> tuple[Account, str]:
        """Return where the session's worker answers into."""
        return account(HOME), self.events_queue(key)

    def launch_key(self, key: ObjectKey = KEY) -> LaunchKey:
        """Return the key of the launch that the session's worker is in."""
        worker = worker_of(self.sessions.stored[key])
        assert worker.launch is not None
        found = self.ring.launch_key(worker.key_id, worker.id, worker.launch)
        assert found is not None
        return found

    def events_left(self, key: ObjectKey = KEY) -> list[Header]:
        queue = self.azure.queues.get((account(HOME).id, self.events_queue(key)), [])
        now, ends = self.clock.now(), self.queues.expires
        return [peek(each.text) for each in queue if ends.get(each.message_id, now) >= now]
