"""A managed disk that is attached to this machine at a LUN: read, written, flushed, read back."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.repository.data.differences import DiskInPlace
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.access import Stopped

#: Where the rules of Azure's images put a link to the disk at a LUN, below `/dev`: those of the
#: agent for SCSI, and those of azure-vm-utils, which know NVMe as well.
_LINKS: Final = ("disk/azure/scsi1/lun{}", "disk/azure/data/by-lun/{}")
#: And to the disk that this machine runs from.
_OWN_DISKS: Final = ("disk/azure/root", "disk/azure/os")

DEVICES: Final = Path("/dev")

#: Azure says that a disk is attached before the machine has seen it: seconds, by experience.
APPEARS_WITHIN_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.2

_IN_USE: Final = (errno.EBUSY, errno.ETXTBSY)


class AttachedDisk(DiskInPlace):
    """An open disk; *name* is for people, and *stop* ends what its threads are at."""

    def __init__(self, name: str, file: int, stop: threading.Event) -> None:
        self._name = name
        self._file = file
        self._stop = stop

    def size_bytes(self) -> int:
        """Return how long the disk is."""
        return os.lseek(self._file, 0, os.SEEK_END)

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            self._check()
            with self._failing("read", offset + done):
                count = os.preadv(self._file, [buffer[done:]], offset + done)
            if count == 0:
                raise TransientError(f"{self._name}: ends at {offset + done}")
            done += count

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        left = memoryview(data)
        while left:
            self._check()
            with self._failing("write", offset):
                count = os.pwrite(self._file, left, offset)
            offset, left = offset + count, left[count:]

    def flush(self) -> None:
        """Have all that was written be on the disk, and what is read from here on come from it."""
        with self._failing("flush", 0):
            os.fsync(self._file)
            # Pages that were written stay in memory, and would be compared with themselves.
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped("told to stop")

    @contextmanager
    def _failing(self, what: str, offset: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TransientError(f"{self._name}: {what} at {offset}: {error.strerror}") from error


@contextmanager
def opened(
    name: str,
    lun: int,
    stop: threading.Event,
    *,
    devices: Path = DEVICES,
    within_s: float = APPEARS_WITHIN_S,
) -> Iterator[AttachedDisk]:
    """Open the disk at *lun* for this process alone, as soon as the machine sees it.

    Raise PermanentError (DiskNotAttached, DiskInUse): the kernel gives no disk out that is mounted,
    swapped to, or part of another, and this machine's own is not asked for.
    """
    path = _appeared(name, lun, stop, devices, within_s)
    if path in {(devices / each).resolve() for each in _OWN_DISKS}:
        detail = f"{name}: at LUN {lun} is the disk that this machine runs from"
        raise PermanentError(detail, reason="DiskInUse")
    try:
        # Of a disk, O_EXCL refuses one that anything of the machine uses, a partition of it too.
        file = os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        detail = f"{name}: {path} at LUN {lun}: {error.strerror}"
        reason = "DiskInUse" if error.errno in _IN_USE else "DiskNotAttached"
        raise PermanentError(detail, reason=reason) from error
    try:
        yield AttachedDisk(name, file, stop)
    finally:
        os.close(file)


def _appeared(name: str, lun: int, stop: threading.Event, devices: Path, within_s: float) -> Path:
    """Return what the link of *lun* leads to, waiting for it to be there."""
    links = [devices / each.format(lun) for each in _LINKS]
    for _ in range(1 + int(within_s / _LOOK_AGAIN_S)):
        there = next((each for each in links if each.exists()), None)
        if there is not None:
            return there.resolve()
        if stop.wait(_LOOK_AGAIN_S):
            raise Stopped("told to stop")
    detail = f"{name}: no disk at LUN {lun} after {within_s:g} s"
    raise PermanentError(detail, reason="DiskNotAttached")
