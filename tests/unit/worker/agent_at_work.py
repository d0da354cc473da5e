"""An agent at work on a thread, its queues in memory, its jobs ended by hand."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from typing_extensions import override

from tests.unit.worker.sample_jobs import WORKER, settings
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    NO_JOB,
    BackupResult,
    Done,
    Event,
    Header,
    Job,
    WorkJob,
)
from vmbackup_worker.access import Stopped
from vmbackup_worker.agent import Agent, Events, Jobs
from vmbackup_worker.conversation import Lease, LeaseLost, Received
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import Work

JOB = JobId("r-backup")


def done(answers: int = 1) -> Done:
    """Return the end of the job that `ManualWork` tells."""
    return Done(JOB, answers, BackupResult([]))


@dataclass
class MemoryJobs(Jobs):
    """A jobs queue of messages that are put by hand."""

    waiting: deque[Received] = field(default_factory=deque)
    extended: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    urls: list[str] = field(default_factory=list)

    @override
    def renew(self, url: str) -> None:
        if not url.startswith("https://"):
            raise PermanentError("no way to a queue", reason="BadMessage")
        self.urls.append(url)

    def put(
        self, message: str, job: Job | PermanentError, sequence: int, dequeues: int = 1
    ) -> None:
        job_id = JOB if isinstance(job, PermanentError) else job.job_id
        header = Header("job", WORKER, job_id, sequence)
        self.waiting.append(Received(header, job, Lease(message, "receipt", dequeues)))

    @override
    def receive(self) -> list[Received]:
        return [self.waiting.popleft() for _ in range(len(self.waiting))]

    @override
    def extend(self, lease: Lease) -> None:
        self._check(lease)
        self.extended.add(lease.message_id)

    @override
    def give_back(self, lease: Lease) -> None:
        self._check(lease)
        self.given_back.append(lease.message_id)

    @override
    def delete(self, lease: Lease) -> None:
        self._check(lease)
        self.deleted.append(lease.message_id)

    def _check(self, lease: Lease) -> None:
        if lease.message_id in self.lost:
            raise LeaseLost("lost")


@dataclass
class MemoryEvents(Events):
    """An events queue; *broken* sends fail."""

    sent: list[tuple[JobId, Event]] = field(default_factory=list)
    broken: int = 0
    broken_after: int | None = None  # the send after so many fails, once
    broke: bool = False
    urls: list[str] = field(default_factory=list)

    @override
    def renew(self, url: str) -> None:
        self.urls.append(url)

    @override
    def send(self, event: Event, job_id: JobId = NO_JOB) -> None:
        if self.broken:
            self.broken -= 1
            raise TransientError("no way")
        if self.broken_after == 0 and not self.broke:
            self.broke = True
            raise TransientError("no way")
        if self.broken_after:
            self.broken_after -= 1
        self.sent.append((job_id, event))

    def all(self) -> list[Event]:
        return [event for _, event in self.sent]


@dataclass
class Desk:
    """Hands out work whose end the test decides."""

    begun: list[ManualWork] = field(default_factory=list)
    refuse: Exception | None = None

    def make(self, job: WorkJob, _meter: Meter, stop: threading.Event) -> Work:
        if self.refuse is not None:
            raise self.refuse
        work = ManualWork(job, stop)
        self.begun.append(work)
        return work


class ManualWork(Work):
    """Works until it is told how it ends."""

    def __init__(self, job: WorkJob, stop: threading.Event) -> None:
        self.job = job
        self.renewed: list[WorkJob] = []
        self.refuse: Exception | None = None
        self._stop = stop
        self._finish = threading.Event()
        self._error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._finish.set()

    @override
    def renew(self, job: WorkJob) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.renewed.append(job)

    @override
    def run(self) -> BackupResult:
        while not self._finish.wait(0.005):
            if self._stop.is_set():
                raise Stopped("told to stop")
        if self._error is not None:
            raise self._error
        return BackupResult([])


class Bench:
    """An agent at work on a thread."""

    def __init__(self) -> None:
        self.jobs, self.events, self.desk = MemoryJobs(), MemoryEvents(), Desk()
        self.agent = Agent(settings(), self.jobs, self.events, self.desk.make)
        self.thread = threading.Thread(target=self.agent.run)

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, (self.jobs, self.events)
            time.sleep(0.005)

    def leave(self) -> None:
        self.agent.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()
