"""What moving a disk's bytes needs of its two ends, and how far it has come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from vmbackup_core.stores.port import Buffer

#: What is read of a disk, or of a pack, at once.
UNIT_BYTES = 4 * 1024 * 1024


class DiskSource(Protocol):
    """A disk to be backed up; several threads read it at once."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill *buffer* with the disk's bytes from *offset*; it is all within the disk."""


class DiskSink(Protocol):
    """Where a disk is restored to; several threads write it at once, nothing twice."""

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write *data* at *offset*; what is never written is zero."""


class Progress(msgspec.Struct, frozen=True, gc=False):
    """How far a transfer has come; *total_bytes* may grow where more turns out to be owed."""

    total_bytes: int
    done_bytes: int
    stored_bytes: int = 0


#: Called after every piece of work, by one thread at a time; what it raises ends the transfer.
OnProgress = Callable[[Progress], None]


class Tally:
    """Adds up what the threads of one transfer did, and tells."""

    def __init__(self, total_bytes: int, tell: OnProgress) -> None:
        self._lock = threading.Lock()
        self._tell = tell
        self._now = Progress(total_bytes, 0)

    def add(self, *, total: int = 0, done: int = 0, stored: int = 0) -> None:
        """Count, and tell the sum."""
        with self._lock:
            now = self._now
            self._now = Progress(
                now.total_bytes + total, now.done_bytes + done, now.stored_bytes + stored
            )
            self._tell(self._now)

    @property
    def now(self) -> Progress:
        """The sum."""
        return self._now
