"""Memory that a thread reads large pieces of files into, used again and again.

Memory that is new for each piece is given page by page, filled with zeros first: a tenth of what a
restore takes.
"""

from __future__ import annotations

import io
import os
import threading
from typing import Final

#: Smaller pieces come from memory that the C library has anyhow.
LEAST_BYTES: Final = 1024 * 1024

#: Half of a pack, and the record at which it is cut in two: larger pieces are seldom.
MOST_BYTES: Final = 18 * 1024 * 1024


class KeptReads(threading.local):
    """Reads files for one thread; what it has read is nobody else's, and stays as it is."""

    def __init__(self) -> None:
        self._kept: io.BytesIO | None = None

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer at the file's end."""
        length = min(length, max(0, os.fstat(descriptor).st_size - offset))
        if not LEAST_BYTES <= length <= MOST_BYTES:
            if length > MOST_BYTES:
                self._kept = None  # before as much memory is taken
            return _whole(io.BytesIO(), descriptor, offset, length)
        if self._kept is None:
            self._kept = io.BytesIO(bytes(MOST_BYTES))
        return _whole(self._kept, descriptor, offset, length)


def _whole(memory: io.BytesIO, descriptor: int, offset: int, length: int) -> bytes:
    memory.truncate(length)
    if length > memory.seek(0, io.SEEK_END):
        memory.seek(length - 1)
        memory.write(b"\0")
    filled = 0
    # What somebody still has of the last piece is left to him: the view is of other memory then.
    with memory.getbuffer() as whole:
        while filled < length:
            came = os.preadv(descriptor, [whole[filled:]], offset + filled)
            if not came:
                break
            filled += came
    memory.truncate(filled)
    return memory.getvalue()
