"""How far a job is: counted by its threads, read by who reports it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vmbackup_core.ids import JobId
from vmbackup_core.repository.transfer import Progress


@dataclass(frozen=True, slots=True)
class Reading:
    """The totals of a job at one moment."""

    bytes_to_read: int = 0
    bytes_read: int = 0
    bytes_stored: int = 0
    disk: str | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the agent is at: the running job, the number of its newest message, how far it is."""

    job_id: JobId
    answers: int
    reading: Reading


class Meter:
    """The totals of one job; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._to_read: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self._stored: dict[str, int] = {}
        self._current: list[str] = []

    def expect(self, disk: str, to_read: int) -> None:
        """Say that *to_read* bytes of *disk* are to be read in all."""
        with self._lock:
            self._to_read[disk] = to_read

    def expect_more(self, disk: str, more: int) -> int:
        """Say that *more* bytes are to be read beside those that were; return how many in all."""
        with self._lock:
            self._to_read[disk] = self._read.get(disk, 0) + more
            return self._to_read[disk]

    @contextmanager
    def during(self, disk: str) -> Iterator[None]:
        """Say that *disk* is being read, as long as the block lasts."""
        with self._lock:
            self._current.append(disk)
        try:
            yield
        finally:
            with self._lock:
                self._current.remove(disk)

    def count_read(self, disk: str, read: int) -> None:
        """Add *read* bytes that came from the export of *disk*."""
        with self._lock:
            self._read[disk] = self._read.get(disk, 0) + read

    def set_stored(self, disk: str, stored: int) -> None:
        """Say that *stored* bytes of *disk* are in the repository by now."""
        with self._lock:
            self._stored[disk] = stored

    def reading(self) -> Reading:
        """Return the totals."""
        with self._lock:
            return Reading(
                sum(self._to_read.values()),
                sum(self._read.values()),
                sum(self._stored.values()),
                self._current[0] if self._current else None,
            )


class Totals:
    """Tells a meter of one disk what progress says in totals."""

    def __init__(self, meter: Meter, disk: str) -> None:
        self._meter, self._disk, self._read = meter, disk, 0

    def count_read(self, progress: Progress) -> None:
        """Count what was read since the last word."""
        self._meter.count_read(self._disk, progress.done_bytes - self._read)
        self._read = progress.done_bytes

    def count_both(self, progress: Progress) -> None:
        """Count what was read, and say what is stored."""
        self.count_read(progress)
        self._meter.set_stored(self._disk, progress.stored_bytes)
