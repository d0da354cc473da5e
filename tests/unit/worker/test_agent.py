"""The agent's loop over queues in memory: jobs are begun, renewed, answered again, given back."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import pytest
from typing_extensions import override

from tests.unit.worker.sample_jobs import WORKER, job, settings
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    NO_JOB,
    BackupJob,
    ConversationAccess,
    Done,
    Event,
    Failed,
    Header,
    Job,
    Shutdown,
    UnknownKind,
)
from vmbackup_worker.access import AccessRefused, Stopped
from vmbackup_worker.agent import Agent, Events, Jobs
from vmbackup_worker.conversation import Lease, LeaseLost, Received
from vmbackup_worker.meter import Meter
from vmbackup_worker.running import DiskFailure, Work

JOB = JobId("r-backup")


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

    def make(self, job: BackupJob, _meter: Meter, stop: threading.Event) -> Work:
        if self.refuse is not None:
            raise self.refuse
        work = ManualWork(job, stop)
        self.begun.append(work)
        return work


class ManualWork(Work):
    """Works until it is told how it ends."""

    def __init__(self, job: BackupJob, stop: threading.Event) -> None:
        self.job = job
        self.renewed: list[BackupJob] = []
        self.refuse: Exception | None = None
        self._stop = stop
        self._finish = threading.Event()
        self._error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._finish.set()

    @override
    def renew(self, job: BackupJob) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.renewed.append(job)

    @override
    def run(self) -> Done:
        while not self._finish.wait(0.005):
            if self._stop.is_set():
                raise Stopped("told to stop")
        if self._error is not None:
            raise self._error
        return Done(self.job.job_id, [])


class Bench:
    """An agent at work on a thread."""

    def __init__(self) -> None:
        self.jobs, self.events, self.desk = MemoryJobs(), MemoryEvents(), Desk()
        self.agent = Agent(settings(), self.jobs, self.events, self.desk.make)
        self.thread = threading.Thread(target=self.agent.run)

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline, (self.jobs, self.events)
            time.sleep(0.005)

    def leave(self) -> None:
        self.agent.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.thread.start()
    yield made
    made.leave()


def test_a_job_is_done_told_and_only_then_deleted(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    assert (bench.jobs.deleted, bench.events.all()) == ([], [])

    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted)
    assert bench.events.sent == [(JOB, Done(JOB, []))]
    assert bench.jobs.deleted == ["m1"]


def test_an_end_that_cannot_be_told_keeps_the_message_until_it_can(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.events.broken = 3
    bench.desk.begun[0].end()

    bench.until(lambda: bench.events.broken == 0 and bench.jobs.deleted)
    assert bench.events.all() == [Done(JOB, [])]


def test_the_lease_is_extended_while_the_job_runs(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)

    bench.until(lambda: "m1" in bench.jobs.extended)
    bench.desk.begun[0].end()


def test_a_redelivered_done_job_is_answered_and_not_done_again(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted)
    bench.jobs.put("m1", job(), 1, dequeues=2)

    bench.until(lambda: len(bench.jobs.deleted) > 1)
    assert bench.events.all() == [Done(JOB, []), Done(JOB, [])]
    assert len(bench.desk.begun) == 1


def test_fresh_credentials_reach_the_running_job_and_their_message_takes_over(
    bench: Bench,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m2", job(sas="fresh"), 2)
    bench.until(lambda: bench.jobs.deleted == ["m1"])

    assert bench.desk.begun[0].renewed == [job(sas="fresh")]
    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted == ["m1", "m2"])


def test_fresh_ways_to_the_queues_are_taken_from_the_newest_message_only(bench: Bench) -> None:
    fresh = ConversationAccess("https://home/jobs?sig=2", "https://home/events?sig=2")
    stale = ConversationAccess("https://home/jobs?sig=1", "https://home/events?sig=1")
    bench.jobs.put("m2", msgspec.structs.replace(job(), conversation=fresh), 2)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m1", msgspec.structs.replace(job(), conversation=stale), 1)
    bench.until(lambda: bench.jobs.deleted)

    assert (bench.jobs.urls, bench.events.urls) == ([fresh.jobs_url], [fresh.events_url])
    bench.desk.begun[0].end()


def test_an_older_message_of_a_running_job_is_dropped(bench: Bench) -> None:
    bench.jobs.put("m2", job(sas="fresh"), 2)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.jobs.deleted == ["m1"])

    assert bench.desk.begun[0].renewed == []
    bench.desk.begun[0].end()


def test_a_job_whose_lease_was_lost_goes_on_and_takes_the_new_delivery(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.lost.add("m1")
    bench.jobs.put("m1-again", job(), 1, dequeues=2)
    bench.until(lambda: "m1-again" in bench.jobs.extended)

    bench.desk.begun[0].end()
    bench.until(lambda: "m1-again" in bench.jobs.deleted)
    assert len(bench.desk.begun) == 1


@pytest.mark.parametrize(
    ("error", "reason", "transient", "disk"),
    [
        pytest.param(TransientError("net"), "TransferInterrupted", True, None, id="transient"),
        pytest.param(
            PermanentError("no", reason="KeyMismatch"), "KeyMismatch", False, None, id="permanent"
        ),
        pytest.param(
            DiskFailure("disk-1", AccessRefused("no SAS")),
            "AccessRefused",
            True,
            "disk-1",
            id="sas",
        ),
        pytest.param(
            KeyError("https://x/y?sig=secret"), "AgentError", False, None, id="a fault of ours"
        ),
    ],
)
def test_a_failure_is_told_with_its_reason_and_without_secrets(
    bench: Bench,
    error: Exception,
    reason: str,
    transient: bool,  # noqa: FBT001 - a column of the table
    disk: str | None,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end(error)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.transient, failed.disk_id) == (reason, transient, disk)
    assert "secret" not in failed.message


def test_a_failed_job_begins_again_when_it_is_asked_for_again(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end(TransientError("net"))
    bench.until(lambda: bench.jobs.deleted)
    bench.jobs.put("m2", job(), 2)

    bench.until(lambda: len(bench.desk.begun) > 1)
    bench.desk.begun[1].end()
    bench.until(lambda: Done(JOB, []) in bench.events.all())


def test_a_job_that_was_seen_too_often_fails_and_is_not_begun(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1, dequeues=6)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert failed.reason == "JobSeenTooOften"
    assert bench.desk.begun == []


def test_a_job_of_an_unknown_kind_is_answered_by_its_name(bench: Bench) -> None:
    bench.jobs.put("m1", UnknownKind("archive"), 1)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert failed.reason == "UnknownKind"
    assert "archive" in failed.message


def test_another_job_waits_for_its_turn_with_its_lease_extended(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.jobs.put("m2", job("other"), 1)
    bench.until(lambda: bench.jobs.extended >= {"m1", "m2"})
    assert len(bench.desk.begun) == 1

    bench.desk.begun[0].end()
    bench.until(lambda: len(bench.desk.begun) > 1)
    assert bench.desk.begun[1].job.job_id == "other"
    bench.desk.begun[1].end()


def test_a_signal_gives_the_job_back_and_tells_nothing(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)

    bench.leave()
    assert bench.jobs.given_back == ["m1"]
    assert (bench.jobs.deleted, bench.events.all()) == ([], [])


def test_shutdown_tells_of_what_it_gave_up_and_ends_the_agent(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m2", Shutdown(JobId("r-shutdown")), 1)
    bench.thread.join(10)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert (failed.job_id, failed.reason, failed.transient) == (JOB, "ShutDown", True)
    assert bench.jobs.deleted == ["m1", "m2"]
    assert not bench.thread.is_alive()


def test_an_end_that_cannot_be_told_does_not_keep_fresh_ways_to_the_queues_from_coming(
    bench: Bench,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.events.broken = 1_000_000  # the events queue's SAS has expired
    bench.desk.begun[0].end()
    bench.until(lambda: bench.events.broken < 999_999)
    fresh = ConversationAccess("https://home/jobs?sig=2", "https://home/events?sig=2")
    bench.jobs.put("m2", msgspec.structs.replace(job(), conversation=fresh), 2)
    bench.until(lambda: bench.events.urls == [fresh.events_url])
    bench.events.broken = 0

    bench.until(lambda: "m2" in bench.jobs.deleted)
    assert bench.events.all() == [Done(JOB, [])]


def test_a_message_that_cannot_be_read_does_not_fail_the_job_that_runs(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.put("m2", PermanentError("its blob is gone", reason="JobUnreadable"), 2)
    bench.until(lambda: "m2" in bench.jobs.deleted)

    assert bench.events.all() == []
    bench.jobs.put("m3", job(sas="fresh"), 3)
    bench.until(lambda: bench.desk.begun[0].renewed == [job(sas="fresh")])
    bench.desk.begun[0].end()
    bench.until(lambda: "m3" in bench.jobs.deleted)
    assert bench.events.all() == [Done(JOB, [])]


def test_a_running_job_keeps_its_message_though_it_comes_again_unreadable(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.jobs.lost.add("m1")
    gone = PermanentError("its blob is gone", reason="JobUnreadable")
    bench.jobs.put("m1-again", gone, 1, dequeues=2)
    bench.until(lambda: "m1-again" in bench.jobs.extended)

    assert bench.events.all() == []
    bench.desk.begun[0].end()
    bench.until(lambda: "m1-again" in bench.jobs.deleted)
    assert bench.events.all() == [Done(JOB, [])]


def test_a_done_job_is_answered_with_its_end_though_its_message_comes_again_unreadable(
    bench: Bench,
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].end()
    bench.until(lambda: bench.jobs.deleted)
    bench.jobs.put("m1-again", PermanentError("gone", reason="JobUnreadable"), 1, dequeues=2)

    bench.until(lambda: "m1-again" in bench.jobs.deleted)
    assert bench.events.all() == [Done(JOB, []), Done(JOB, [])]


def test_a_shutdown_that_cannot_be_told_whole_is_told_the_next_time(bench: Bench) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.jobs.put("m2", job("other"), 1)
    bench.until(lambda: bench.jobs.extended >= {"m1", "m2"})
    bench.events.broken_after = 1
    bench.jobs.put("s1", Shutdown(JobId("r-shutdown")), 1)
    bench.until(lambda: bench.events.broke)
    assert bench.thread.is_alive()
    bench.jobs.put("s1", Shutdown(JobId("r-shutdown")), 1, dequeues=2)

    bench.thread.join(10)
    assert not bench.thread.is_alive()
    assert {"m1", "m2", "s1"} <= set(bench.jobs.deleted)
    assert [type(event) for event in bench.events.all()] == [Failed, Failed]


def test_a_job_that_cannot_even_be_begun_is_told_and_not_the_agents_end(bench: Bench) -> None:
    bench.desk.refuse = ValueError("Invalid URL: https:///c?sv=1&sig=secret")
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.jobs.deleted)

    (failed,) = bench.events.all()
    assert isinstance(failed, Failed)
    assert failed.reason == "AgentError"
    assert "secret" not in failed.message
    assert bench.thread.is_alive()


def test_credentials_that_cannot_be_taken_leave_the_job_with_the_ones_before(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.jobs.put("m1", job(), 1)
    bench.until(lambda: bench.desk.begun)
    bench.desk.begun[0].refuse = ValueError("Invalid URL: https:///c?sv=1&sig=secret")
    bench.jobs.put("m2", job(sas="fresh"), 2)
    bench.until(lambda: "m1" in bench.jobs.deleted)
    bench.desk.begun[0].end()

    bench.until(lambda: "m2" in bench.jobs.deleted)
    assert bench.events.all() == [Done(JOB, [])]
    assert "secret" not in caplog.text


def test_a_message_that_is_lost_at_the_end_keeps_no_other_from_being_given_back() -> None:
    bench = Bench()
    bench.thread.start()
    bench.jobs.put("m1", job(), 1)
    bench.jobs.put("m2", job("other"), 1)
    bench.until(lambda: bench.jobs.extended >= {"m1", "m2"})
    bench.jobs.lost.add("m1")
    bench.leave()

    assert bench.jobs.given_back == ["m2"]
