"""A job at work on a thread of its own, and how its end is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import Done, Failed, Result, WorkJob, failure, shown
from vmbackup_worker.access import AccessRefused, Stopped
from vmbackup_worker.meter import Meter, Reading
from vmbackup_worker.orders import Outcome

log = logging.getLogger(__name__)


class Work(Protocol):
    """One job's work; made from the job, renewed by the same job with fresh credentials."""

    def renew(self, job: WorkJob) -> None:
        """Put the credentials of *job* in the place of the ones in use."""

    def run(self) -> Result:
        """Do it and return what it came to; doing it again finds what is done."""


class DiskFailure(Exception):
    """What went wrong with one disk; the cause says it."""

    def __init__(self, disk_id: str, cause: Exception) -> None:
        super().__init__(str(cause))
        self.disk_id = disk_id
        self.cause = cause


MakeWork = Callable[[WorkJob, Meter, threading.Event], Work]


class Running:
    """A job that has begun; it ends with an outcome, or without one where it was stopped."""

    def __init__(self, job: WorkJob, make: MakeWork, ended: Callable[[], None]) -> None:
        self.job_id = job.job_id
        self._meter = Meter()
        self._stop = threading.Event()
        self._work = _made(make, job, self._meter, self._stop)
        self._ended = ended
        self._result: Result | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once it has ended."""
        return self._thread.is_alive()

    @property
    def has_outcome(self) -> bool:
        """False where it has not ended, or was stopped."""
        return self._result is not None or self._error is not None

    def outcome(self, answers: int) -> Outcome | None:
        """Return how it ended, as the answer to message *answers*; None: not yet, or stopped."""
        if self._result is not None:
            return Done(self.job_id, answers, self._result)
        if self._error is not None:
            return outcome_of(self.job_id, self._error, answers)
        return None

    def reading(self) -> Reading:
        """Return how far it is."""
        return self._meter.reading()

    def renew(self, job: WorkJob) -> None:
        """Go on with the credentials of *job*, or without them where they can't be used."""
        try:
            self._work.renew(job)
        except Exception as error:  # noqa: BLE001 - a bad renewal is not the agent's end
            log.error("job %s: not renewed: %s", self.job_id, shown(str(error)))  # noqa: TRY400 - tracebacks may hold URLs

    def stop(self, within_s: float) -> None:
        """Have it end at its next block, and wait for that."""
        self._stop.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        began = time.monotonic()
        log.info("job %s: begun", self.job_id)
        try:
            self._result = self._work.run()
            seconds, read = time.monotonic() - began, self._meter.reading().bytes_read
            log.info("job %s: done, %s bytes read in %.1f s", self.job_id, read, seconds)
        except Stopped:
            log.info("job %s: stopped", self.job_id)
        except Exception as error:  # noqa: BLE001 - whatever ends a job is told, not lost
            self._error = error
            told = outcome_of(self.job_id, error, 1)
            log.error("job %s: %s: %s", self.job_id, told.reason, told.message)  # noqa: TRY400 - tracebacks may hold URLs
        finally:
            self._ended()


class _Unmade(Work):
    """Work that could not even be made: it ends at once, as work that fails does."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @override
    def renew(self, job: WorkJob) -> None:
        return

    @override
    def run(self) -> Result:
        raise self._error


def _made(make: MakeWork, job: WorkJob, meter: Meter, stop: threading.Event) -> Work:
    try:
        return make(job, meter, stop)
    except Exception as error:  # noqa: BLE001 - whatever ends a job is told, not lost
        return _Unmade(error)


def outcome_of(job_id: JobId, error: Exception, answers: int) -> Failed:
    """Return the event that tells of *error*, with the disk where one is to blame."""
    disk_id = error.disk_id if isinstance(error, DiskFailure) else None
    cause = error.cause if isinstance(error, DiskFailure) else error
    reason, transient = _reason_of(cause)
    return failure(job_id, cause, reason, answers=answers, transient=transient, disk_id=disk_id)


def _reason_of(error: Exception) -> tuple[str, bool]:
    match error:
        case AccessRefused():
            return "AccessRefused", True
        case TransientError():
            return "TransferInterrupted", True
        case PermanentError():
            return error.reason, False
        case CorruptRepository():
            return "CorruptRepository", False
        case MemoryError():
            return "OutOfMemory", True
        case _:
            return "AgentError", False
