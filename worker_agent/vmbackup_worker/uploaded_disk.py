"""A disk as a restore writes it: blocks in any order, joined to what one request may write."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from vmbackup_core.protocol.limits import PAGE_BYTES
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.upload_target import WRITTEN_BYTES, UploadTarget

#: Stretches that wait for blocks, for each thread that brings some: of a disk that was written in
#: order each thread is at two, the one that it fills and the one that its next pack begins in.
STRETCHES: Final = 2


@dataclass(frozen=True, slots=True)
class Run:
    """Pieces that follow each other on the disk, no more than one request writes."""

    offset: int
    pieces: tuple[Buffer, ...]

    @property
    def length(self) -> int:
        """How many bytes they have together."""
        return sum(len(piece) for piece in self.pieces)


@dataclass(slots=True)
class _Stretch:
    """What is there of the bytes that one request may write: where it lies, and the blocks."""

    pieces: dict[int, Buffer] = field(default_factory=dict)
    length: int = 0

    def runs(self) -> Iterator[Run]:
        """Yield the blocks, those that follow each other together."""
        first, end, run = 0, -1, list[Buffer]()
        for offset in sorted(self.pieces):
            if offset != end:
                if run:
                    yield Run(first, tuple(run))
                first, run = offset, []
            run.append(self.pieces[offset])
            end = offset + len(run[-1])
        if run:
            yield Run(first, tuple(run))


class Joined:
    """Blocks that wait for their neighbours; of *most* stretches the oldest goes first.

    A block's length is a power of two up to 4 MiB and its offset a multiple of it: it lies within
    one stretch.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._stretches: OrderedDict[int, _Stretch] = OrderedDict()

    def add(self, offset: int, block: Buffer) -> list[Run]:
        """Take a block in; return what is to be written now."""
        number = offset // WRITTEN_BYTES
        stretch = self._stretches.setdefault(number, _Stretch())
        stretch.pieces[offset] = block
        stretch.length += len(block)
        if stretch.length >= WRITTEN_BYTES:
            del self._stretches[number]
            return [*stretch.runs()]
        self._stretches.move_to_end(number)
        if len(self._stretches) > self._most:
            return [*self._stretches.popitem(last=False)[1].runs()]
        return []

    def rest(self) -> list[Run]:
        """Return all that still waits, in order."""
        left = [self._stretches[number] for number in sorted(self._stretches)]
        self._stretches.clear()
        return [run for stretch in left for run in stretch.runs()]


class UploadedDisk(DiskSink):
    """Writes a disk of *disk_bytes* into *target*; `finish` makes it one that Azure takes."""

    def __init__(
        self,
        target: UploadTarget,
        disk_bytes: int,
        threads: int,
        on_written: Callable[[int], None],
    ) -> None:
        self._target = target
        self._disk_bytes = disk_bytes
        self._threads = threads
        self._on_written = on_written
        self._lock = threading.Lock()
        self._joined = Joined(STRETCHES * threads)
        self._written = 0

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        with self._lock:
            runs = self._joined.add(offset, self._whole_pages(offset, data))
        for run in runs:
            self._write(run)

    def finish(self, footer_at: int, footer: bytes) -> int:
        """Write what still waits, then the *footer*; return how many bytes of the disk there are.

        Until the footer is there it is no disk that a machine could use.
        """
        work_through(self._joined.rest(), self._write, self._threads)
        self._target.write(footer_at, (footer,))
        return self._written

    def _whole_pages(self, offset: int, data: Buffer) -> Buffer:
        """Return *data*, with zeros behind the end of a disk that has no whole pages."""
        missing = -len(data) % PAGE_BYTES
        if missing and offset + len(data) == self._disk_bytes:
            return bytes(data) + bytes(missing)
        return data

    def _write(self, run: Run) -> None:
        self._target.write(run.offset, run.pieces)
        with self._lock:
            self._written += run.length
            self._on_written(self._written)
