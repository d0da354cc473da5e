"""A repository in memory and the operator's own jobs over it: backups, and their upkeep."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from tests.contract.ports.point_facts import NOON, PointPlace, a_disk, settled
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_points import USER_KEY, MemoryPoints
from vmbackup_core.ids import RunId, SnapshotUniqueId
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_operator.model.backup_repository import LogHead, Sight
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.services.fence import Fence, open_fence
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.upkeep_jobs import RepositoryUpkeep
from vmbackup_operator.sessions.seen import DiskWritten, PointWanted
from vmbackup_operator.upkeep.ports import GoOn, Job, JobAsked, JobDone
from vmbackup_operator.upkeep.sights import with_sight

POLICY = ObjectKey("team", "nightly")


class UpkeptRepository:
    """One disk's repository, whose policy keeps one point; an operator asks for its jobs."""

    def __init__(self, *, piece_s: float = 1.0, fence: Fence = open_fence) -> None:
        self.points = MemoryPoints()
        self.clock = self.points.clock
        self.repository = ready_repository()
        self.piece_s, self.fence = piece_s, fence
        self.sights: tuple[Sight, ...] = ()
        self.rules: Mapping[tuple[str, str], LiveRule] = {}
        self.busy_runs: set[RunId] = set()
        #: The retention that the policy had when the points were made.
        self.stamp = SessionRetention(last=1)
        self.disk = a_disk()
        self._backed_up = 0
        self.restart()

    def restart(self) -> None:
        """Open the repository anew, with nothing known but what it holds."""
        self.points.forget()
        self.opened.answer_within_s = 30
        self.jobs = RepositoryUpkeep(self.opened, self.fence, self.clock)
        self.jobs.piece_s = self.piece_s

    @property
    def opened(self) -> OpenedRepositories:
        return self.points.opened_repositories

    @property
    def place(self) -> PointPlace:
        """The repository as sessions see it."""

        async def write(prepared: PreparedDisk) -> DiskWritten:
            written = self.points.written(prepared.keys, prepared.grant)
            return DiskWritten(written.manifest, written.sha256)

        return PointPlace(self.points, self.repository, write)

    async def committed(self) -> PointWanted:
        """Have another run commit the disk, a day after the one before, and return its point.

        The run is busy until somebody says that it is not.
        """
        self._backed_up += 1
        run = RunId(uuid.uuid4().hex)
        self.busy_runs.add(run)
        asked = replace(
            self.disk,
            run=run,
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{self._backed_up}"),
        )
        return replace(
            await self.place.committed(asked),
            created_at=NOON + timedelta(days=self._backed_up),
            policy=POLICY,
            retention=self.stamp,
        )

    async def back_up(self, times: int = 1) -> list[RunId]:
        """Back the disk up, and return the runs."""
        runs = []
        for _ in range(times):
            runs.append((await self.place.record(await self.committed())).run_id)
            self.busy_runs.discard(runs[-1])
        return runs

    async def piece(self, job: Job, cursor: str = "") -> JobDone | GoOn:
        """Do a piece of *job*."""
        delay, sights = timedelta(0), self.sights
        asked = JobAsked(job, cursor, delay, self.rules, self.busy_runs, sights)
        return await settled(lambda: self.jobs.work(self.repository, USER_KEY, asked))

    async def through(self, job: Job, cursor: str = "") -> JobDone:
        """Take *job* to its end, and see at the end of Expire how far the log is."""
        while isinstance(found := await self.piece(job, cursor), GoOn):
            cursor = found.cursor
        if job == "Expire":
            number = await settled(lambda: self.jobs.log_number(self.repository, USER_KEY))
            self.sights = with_sight(self.sights, number, self.clock.now())
        return found

    def put_back(self) -> LogHead:
        """Put the log back by an object, and return the head that is found then."""
        head = self.points.open().head()
        assert head is not None
        self.points.control.delete(log_name(head.number))
        found = self.points.open().head()
        assert found is not None
        return LogHead(found.number, found.sha256)
