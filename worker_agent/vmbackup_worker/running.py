"""A job at work on a thread of its own, and how its end is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_core.protocol import BackupJob, Done, Failed, failure, without_secrets
from vmbackup_worker.access import AccessRefused, Stopped
from vmbackup_worker.meter import Meter, Reading
from vmbackup_worker.orders import Outcome

log = logging.getLogger(__name__)


class Work(Protocol):
    """One job's work; made from the job, renewed by the same job with fresh credentials."""

    def renew(self, job: BackupJob) -> None:
        """Put the credentials of *job* in the place of the ones in use."""

    def run(self) -> Done:
        """Do it; doing it again finds what is done."""


class DiskFailure(Exception):
    """What went wrong with one disk; the cause says it."""

    def __init__(self, disk_id: str, cause: Exception) -> None:
        super().__init__(str(cause))
        self.disk_id = disk_id
        self.cause = cause


MakeWork = Callable[[BackupJob, Meter, threading.Event], Work]


class Running:
    """A job that has begun; it ends with an outcome, or without one where it was stopped."""

    def __init__(self, job: BackupJob, make: MakeWork, ended: Callable[[], None]) -> None:
        self.job_id = job.job_id
        self._job = job
        self._meter = Meter()
        self._stop = threading.Event()
        self._work = _made(make, job, self._meter, self._stop)
        self._ended = ended
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once it has ended."""
        return self._thread.is_alive()

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None where it has not, or was stopped."""
        return self._outcome

    def reading(self) -> Reading:
        """Return how far it is."""
        return self._meter.reading()

    def renew(self, job: BackupJob) -> None:
        """Go on with the credentials of *job*, or without them where they can't be used."""
        try:
            self._work.renew(job)
        except Exception as error:  # noqa: BLE001 - a bad renewal is not the agent's end
            log.error("job %s: not renewed: %s", self.job_id, without_secrets(str(error)))  # noqa: TRY400 - tracebacks may hold URLs

    def stop(self, within_s: float) -> None:
        """Have it end at its next block, and wait for that."""
        self._stop.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        began = time.monotonic()
        log.info("job %s: begun, %s disks", self.job_id, len(self._job.disks))
        try:
            self._outcome = self._work.run()
            seconds, read = time.monotonic() - began, self._meter.reading().bytes_read
            log.info("job %s: done, %s bytes read in %.1f s", self.job_id, read, seconds)
        except Stopped:
            log.info("job %s: stopped", self.job_id)
        except Exception as error:  # noqa: BLE001 - whatever ends a job is told, not lost
            self._outcome = outcome_of(self._job, error)
            log.error(  # noqa: TRY400 - tracebacks may hold URLs
                "job %s: %s: %s", self.job_id, self._outcome.reason, self._outcome.message
            )
        finally:
            self._ended()


class _Unmade(Work):
    """Work that could not even be made: it ends at once, as work that fails does."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @override
    def renew(self, job: BackupJob) -> None:
        return

    @override
    def run(self) -> Done:
        raise self._error


def _made(make: MakeWork, job: BackupJob, meter: Meter, stop: threading.Event) -> Work:
    try:
        return make(job, meter, stop)
    except Exception as error:  # noqa: BLE001 - whatever ends a job is told, not lost
        return _Unmade(error)


def outcome_of(job: BackupJob, error: Exception) -> Failed:
    """Return the event that tells of *error*, with the disk where one is to blame."""
    disk_id = error.disk_id if isinstance(error, DiskFailure) else None
    cause = error.cause if isinstance(error, DiskFailure) else error
    reason, transient = _reason_of(cause)
    return failure(job.job_id, cause, reason, transient=transient, disk_id=disk_id)


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
