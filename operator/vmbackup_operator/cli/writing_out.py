"""What is restored goes out to its disk while the rest is still being read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from vmbackup_core.stores.port import Buffer

#: So much of what a thread has written waits in memory before it goes out.
PIECE_BYTES: Final = 8 * 1024 * 1024

#: Has bytes of a descriptor, from an offset on and so many, begin to go out; waits for nothing.
BeginToWriteOut = Callable[[int, int, int], None]


def begin_to_write_out(descriptor: int, offset: int, length: int) -> None:
    """Tell the system that nobody is going to read what was written there.

    Linux begins to write it out. Where a system or a file knows no such advice, the end waits for
    more, and that is all.
    """
    try:
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
    except (AttributeError, OSError):
        return


class _Waiting(threading.local):
    """What one thread has written and what has not begun to go out: most of it lies together."""

    def __init__(self) -> None:
        self.first = self.behind = self.bytes = 0


class WritingOut:
    """Writes into a descriptor, by several threads at once.

    Otherwise all would wait in memory for the end, and the end for all of it.
    """

    def __init__(
        self,
        descriptor: int,
        piece_bytes: int = PIECE_BYTES,
        begin: BeginToWriteOut = begin_to_write_out,
    ) -> None:
        self._descriptor = descriptor
        self._piece_bytes = piece_bytes
        self._begin = begin
        self._waiting = _Waiting()

    def write_all(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset*."""
        write_all(self._descriptor, offset, data)
        waiting, behind = self._waiting, offset + len(data)
        waiting.first = min(waiting.first, offset) if waiting.bytes else offset
        waiting.behind = max(waiting.behind, behind) if waiting.bytes else behind
        waiting.bytes += len(data)
        if waiting.bytes >= self._piece_bytes:
            waiting.bytes = 0
            self._begin(self._descriptor, waiting.first, waiting.behind - waiting.first)


def write_all(descriptor: int, offset: int, data: Buffer) -> None:
    """Write all of *data* at *offset*."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
