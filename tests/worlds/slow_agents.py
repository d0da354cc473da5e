"""A world whose agents take their time over a job, and read and write with what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import override

from tests.worlds.memory_agents import Agent
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY
from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import BackupJob, BackupResult, Done, Failed, Progress

#: How long an agent waits for fresh credentials after a refusal.
RENEWAL_S = 60


@dataclass
class Transfer:
    """A job under way: *job* is its latest message, with the latest credentials."""

    job: BackupJob
    number: int
    worked_s: float = 0.0
    refused_at: datetime | None = None


@dataclass
class SlowWorld(World):
    """Jobs take *transfer_s* of reading and writing; what is refused meanwhile does not count."""

    transfer_s: float = 3600.0
    running: dict[WorkerId, Transfer] = field(default_factory=dict)
    #: How long each refusal lasted, and how often a job ended for one.
    gaps_s: list[float] = field(default_factory=list)
    refusals: int = 0
    _worked_at: datetime | None = None

    @override
    def _back_up(self, agent: Agent, job: BackupJob, number: int) -> None:
        known = self.running.get(agent.worker)
        if known is None or known.job.job_id != job.job_id:
            self.running[agent.worker] = Transfer(job, number)
            return
        known.job, known.number = job, number  # fresh credentials, under the running transfer

    @override
    def agents_work(self) -> None:
        super().agents_work()
        now = self.clock.now()
        passed = timedelta(0) if self._worked_at is None else now - self._worked_at
        self._worked_at = now
        newest = {agent.worker: agent for agent in self.agents.values()}
        for worker, transfer in list(self.running.items()):
            self._transfer(newest[worker], transfer, passed.total_seconds())

    def _transfer(self, agent: Agent, transfer: Transfer, passed_s: float) -> None:
        job, now = transfer.job, self.clock.now()
        if not self._is_open(job):
            transfer.refused_at = transfer.refused_at or now
            if (now - transfer.refused_at).total_seconds() > RENEWAL_S:
                self._give_up(agent, job.job_id, transfer.number)
            return
        if transfer.refused_at is not None:
            self.gaps_s.append((now - transfer.refused_at).total_seconds())
            transfer.refused_at = None
        transfer.worked_s += passed_s
        total = sum(disk.grant.disk_bytes for disk in job.disks)
        part = min(1.0, transfer.worked_s / self.transfer_s)
        read = int(total * part)
        progress = Progress(job.job_id, transfer.number, total, read, read // 2)
        self._say(agent, job.job_id, progress)
        if part == 1.0:
            del self.running[agent.worker]
            done = [self.points.write(disk) for disk in job.disks]
            self._say(agent, job.job_id, Done(job.job_id, transfer.number, BackupResult(done)))

    def _give_up(self, agent: Agent, job_id: JobId, number: int) -> None:
        del self.running[agent.worker]
        self.refusals += 1
        failed = Failed(job_id, number, "AccessRefused", "no fresh SAS came", transient=True)
        self._say(agent, job_id, failed)

    def _is_open(self, job: BackupJob) -> bool:
        """Tell whether everything that the job was given opens what it is for."""
        exports = all(disk.snapshot_url in self.azure.readable() for disk in job.disks)
        ways = job.conversation
        assert ways is not None
        signed = (job.repository.container_url, ways.jobs_url, ways.events_url)
        return exports and all(map(self.azure.opens, signed))

    async def run_for_days(self, slice_s: float = 240) -> None:
        """Run the session to its end: in long slices, but for what follows a refusal."""
        while (waits_s := await self.look_again()) is not None:
            self.agents_work()
            await self.intake.round()
            refused = any(each.refused_at for each in self.running.values())
            moving = bool(self.running) and not refused and waits_s > 1
            self.clock.turn(slice_s if moving else max(1.0, min(waits_s, 5.0)))
            elapsed = self.clock.now() - (self.status(KEY).start_time or self.clock.now())
            assert elapsed < timedelta(seconds=3 * self.transfer_s + 86400), self.status(KEY)
