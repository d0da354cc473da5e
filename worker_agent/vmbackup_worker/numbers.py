"""Sequence numbers that rise over crashes: reserved in a file before they are used."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from vmbackup_core.clock import Clock

#: How many numbers one write of the file reserves: an event every 2 s for more than half an hour.
RESERVED = 1_000


class Numbers:
    """The numbers of one agent's events; one count serves every job, since gaps mean nothing."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._next = self._first(clock)
        self._reserved = self._next

    def next(self) -> int:
        """Return a number above all that were returned before, by earlier processes too."""
        with self._lock:
            if self._next == self._reserved:
                self._reserve(self._next + RESERVED)
            number, self._next = self._next, self._next + 1
            return number

    def _first(self, clock: Clock) -> int:
        try:
            return int(self._path.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            # Milliseconds: where the file was lost, the numbers are still above the earlier ones.
            return int(clock.now().timestamp() * 1_000)

    def _reserve(self, until: int) -> None:
        aside = self._path.with_suffix(".new")
        with aside.open("w", encoding="ascii") as file:
            file.write(str(until))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # else a power cut could bring the file before back
        finally:
            os.close(folder)
        self._reserved = until
