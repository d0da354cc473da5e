"""The agent's outermost loop: takes jobs from its queue, has them worked on, tells how they end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from typing_extensions import assert_never

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    ArchiveJob,
    BackupJob,
    Event,
    RestoreJob,
    Shutdown,
    VerifyJob,
    WorkJob,
    failure,
)
from vmbackup_worker.conversation import Lease, LeaseLost, Received
from vmbackup_worker.meter import Pulse
from vmbackup_worker.orders import Known, Outcome, order_for
from vmbackup_worker.running import MakeWork, Running
from vmbackup_worker.settings import Settings

log = logging.getLogger(__name__)

#: Outcomes kept for redelivered jobs; a worker is given few, and what is forgotten is done again
#: and found done.
OUTCOMES = 64


class Jobs(Protocol):
    """Where jobs come from."""

    def renew(self, url: str) -> None:
        """Go on by the SAS of *url*; raise PermanentError, and change nothing, where it is none."""

    def receive(self) -> list[Received]:
        """Return new messages, leased; raise TransientError."""

    def extend(self, lease: Lease) -> None:
        """Keep a message; raise LeaseLost or TransientError."""

    def give_back(self, lease: Lease) -> None:
        """Let a message be received again; raise LeaseLost or TransientError."""

    def delete(self, lease: Lease) -> None:
        """Remove a message; raise LeaseLost or TransientError."""


class Events(Protocol):
    """Where events go."""

    def renew(self, url: str) -> None:
        """Go on by the SAS of *url*; raise PermanentError, and change nothing, where it is none."""

    def send(self, event: Event, job_id: JobId = ...) -> None:
        """Send *event*; raise TransientError."""


@dataclass(slots=True)
class Held:
    """A job that was taken up: its newest message and the hold on it."""

    job: WorkJob
    sequence: int
    lease: Lease


class Agent:
    """One worker's agent; `run` is called once, `stop` from a signal handler or another thread."""

    def __init__(
        self,
        settings: Settings,
        jobs: Jobs,
        events: Events,
        make: MakeWork,
    ) -> None:
        self._rhythm = settings.rhythm
        self._jobs = jobs
        self._events = events
        self._make = make
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._held: dict[JobId, Held] = {}  # in the order in which they were taken up
        self._known: dict[JobId, Known] = {}
        self._running: Running | None = None
        self._extend_at = 0.0

    def stop(self) -> None:
        """Have `run` give back what it holds and return."""
        self._stopping.set()
        self._wake.set()

    def pulse(self) -> Pulse | None:
        """Return the running job and how far it is."""
        running = self._running
        held = None if running is None else self._held.get(running.job_id)
        if running is None or held is None:
            return None
        return Pulse(running.job_id, held.sequence, running.reading())

    def run(self) -> None:
        """Work until stopped."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except TransientError as error:
                log.warning("%s", error)
            self._wake.wait(self._rhythm.poll_s)
            self._wake.clear()
        self._leave()

    def _turn(self) -> None:
        self._extend_leases()
        try:
            self._end_running()
        except TransientError as error:  # what is received may bring a fresh way to tell it
            log.warning("%s", error)
        for received in self._jobs.receive():
            self._take(received)
        if self._running is None and self._held and not self._stopping.is_set():
            job = next(iter(self._held.values())).job
            self._running = Running(job, self._make, self._wake.set)

    def _take(self, received: Received) -> None:
        match received.job:
            case PermanentError() as error:
                self._take_unreadable(error, received)
            case job if job.job_id != received.header.job_id:
                wrong = PermanentError("job under another id than its own", reason="BadMessage")
                self._take_unreadable(wrong, received)
            case Shutdown():
                self._shut_down(received)
            case BackupJob() | RestoreJob() | ArchiveJob() | VerifyJob() as job:
                self._take_work(job, received)
            case never:
                assert_never(never)

    def _take_work(self, job: WorkJob, received: Received) -> None:
        header, lease = received.header, received.lease
        order = order_for(header, lease.dequeues, self._known)
        log.info("job %s, message %s: %s", header.job_id, header.sequence, order)
        if job.conversation is not None and order in {"Begin", "Renew"}:
            try:
                self._jobs.renew(job.conversation.jobs_url)
                self._events.renew(job.conversation.events_url)
            except PermanentError as error:
                self._take_unreadable(error, received)
                return
        match order:
            case "Begin":
                self._held[job.job_id] = Held(job, header.sequence, lease)
                self._known[job.job_id] = Known(header.sequence)
            case "Renew":
                self._renew(job, received)
            case "Resend":
                self._resend(received)
            case "Drop":
                self._delete(lease)
            case "GiveUp":
                detail = f"received {lease.dequeues} times and never ended"
                self._refuse(received, PermanentError(detail, reason="JobSeenTooOften"))
            case never:
                assert_never(never)

    def _take_unreadable(self, error: PermanentError, received: Received) -> None:
        """Answer a message that can't be read; it changes nothing about a job that is taken up."""
        header, lease = received.header, received.lease
        match order_for(header, lease.dequeues, self._known):
            case "Begin" | "GiveUp":
                self._refuse(received, error)
            case "Resend":
                self._resend(received)
            case "Renew" if self._held[header.job_id].sequence == header.sequence:
                self._hold_by(self._held[header.job_id], lease)
            case _:
                log.error("job %s, message %s: %s", header.job_id, header.sequence, error)
                self._delete(lease)

    def _resend(self, received: Received) -> None:
        job_id = received.header.job_id
        outcome = self._known[job_id].outcome
        if outcome is not None:
            self._events.send(outcome, job_id)
        self._delete(received.lease)

    def _hold_by(self, held: Held, lease: Lease) -> None:
        """Have *lease* take the place of the one before, whose message goes."""
        older, held.lease = held.lease, lease
        if older.message_id != lease.message_id:
            self._delete(older)

    def _renew(self, job: WorkJob, received: Received) -> None:
        held = self._held[job.job_id]
        held.job, held.sequence = job, received.header.sequence
        self._known[job.job_id] = Known(held.sequence)
        if self._running is not None and self._running.job_id == job.job_id:
            self._running.renew(job)
        self._hold_by(held, received.lease)

    def _refuse(self, received: Received, error: PermanentError) -> None:
        job_id, sequence = received.header.job_id, received.header.sequence
        failed = failure(job_id, error, error.reason, answers=sequence, transient=False)
        log.error("job %s: %s: %s", job_id, failed.reason, failed.message)
        self._events.send(failed, job_id)
        self._delete(received.lease)
        self._remember(job_id, Known(sequence, failed))

    def _end_running(self) -> None:
        """Tell how the running job ended, once it has; the message goes only after that."""
        running = self._running
        if running is None or running.alive:
            return
        held = self._held[running.job_id]
        outcome = running.outcome(held.sequence)
        if outcome is not None:
            self._events.send(outcome, running.job_id)
            self._remember(running.job_id, Known(held.sequence, outcome))
            self._delete(held.lease)
        else:
            del self._known[running.job_id]
        del self._held[running.job_id]
        self._running = None

    def _remember(self, job_id: JobId, known: Known) -> None:
        self._known.pop(job_id, None)
        self._known[job_id] = known
        ended = [known_id for known_id, one in self._known.items() if one.outcome is not None]
        for forgotten in ended[:-OUTCOMES]:
            del self._known[forgotten]

    def _extend_leases(self) -> None:
        if time.monotonic() < self._extend_at:
            return
        self._extend_at = time.monotonic() + self._rhythm.lease_extension_s
        for held in self._held.values():
            self._extend(held.lease)

    def _extend(self, lease: Lease) -> None:
        try:
            self._jobs.extend(lease)
        except TransientError as error:  # a lost one comes again, and that delivery is then held
            log.warning("%s", error)

    def _delete(self, lease: Lease) -> None:
        try:
            self._jobs.delete(lease)
        except LeaseLost as error:  # it comes again and is answered from what is known
            log.warning("%s", error)

    def _shut_down(self, received: Received) -> None:
        """Give up everything for good; unlike a signal, which leaves the jobs to the next start."""
        log.info("told to shut down")
        if self._running is not None:
            self._running.stop(self._rhythm.stop_s)
        for job_id, held in list(self._held.items()):
            self._events.send(self._outcome_at_shutdown(job_id, held.sequence), job_id)
            self._delete(held.lease)
            del self._held[job_id]
            if self._running_is(job_id):
                self._running = None
        self._delete(received.lease)
        self._stopping.set()

    def _outcome_at_shutdown(self, job_id: JobId, answers: int) -> Outcome:
        running = self._running
        ended = None
        if running is not None and running.job_id == job_id:
            ended = running.outcome(answers)
        gave_up = TransientError("shut down")
        return ended or failure(job_id, gave_up, "ShutDown", answers=answers, transient=True)

    def _running_is(self, job_id: JobId) -> bool:
        return self._running is not None and self._running.job_id == job_id

    def _leave(self) -> None:
        """Give everything back: the next agent goes on from what is stored."""
        if self._running is not None:
            self._running.stop(self._rhythm.stop_s)
        if self._running is not None and self._running.has_outcome:
            self._if_it_may_be(self._end_running)
        for held in self._held.values():
            self._if_it_may_be(partial(self._jobs.give_back, held.lease))

    def _if_it_may_be(self, act: Callable[[], None]) -> None:
        """Do one of the last things; where it fails, leases end by themselves."""
        try:
            act()
        except TransientError as error:
            log.warning("%s", error)
