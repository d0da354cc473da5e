"""A disk restored into a block device, which is as the disk was from its first byte to its last."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.port import Buffer
from vmbackup_operator.cli.restored_file import failures_named
from vmbackup_operator.cli.writing_out import WritingOut, write_all

#: What is zeroed at once: small enough to tell of progress and to be interrupted.
ZEROED_BYTES = 256 * 1024**2

_BLKZEROOUT = 0x127F  # linux/fs.h: the kernel lets the device do it, or writes zeros itself
_WRITTEN_BYTES = 4 * 1024**2

#: Called with how many bytes have been zeroed.
OnZeroed = Callable[[int], None]


class ZeroedDevice:
    """A device whose first *size_bytes* are zero wherever nothing was written.

    Nothing of it is touched before there is something to write.
    """

    def __init__(self, descriptor: int, size_bytes: int, on_zeroed: OnZeroed) -> None:
        self._descriptor = descriptor
        self._out = WritingOut(descriptor)
        self._size_bytes = size_bytes
        self._on_zeroed = on_zeroed
        self._lock = threading.Lock()
        self._is_zeroed = False

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset*."""
        self.zero()
        self._out.write_all(offset, data)

    def zero(self) -> None:
        """Make all of it zero, the first time."""
        with self._lock:
            if self._is_zeroed:
                return
            for offset in range(0, self._size_bytes, ZEROED_BYTES):
                length = min(ZEROED_BYTES, self._size_bytes - offset)
                zero_out(self._descriptor, offset, length)
                self._on_zeroed(offset + length)
            self._is_zeroed = True


def zero_out(descriptor: int, offset: int, length: int) -> None:
    """Write zeros, by the device itself where it can."""
    try:
        fcntl.ioctl(descriptor, _BLKZEROOUT, struct.pack("QQ", offset, length))
    except OSError as error:
        # Of a length that is no multiple of its sectors, or in a kernel or file that knows no such.
        if error.errno not in {errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
        zeros = bytes(min(_WRITTEN_BYTES, length))
        for at in range(0, length, len(zeros)):
            write_all(descriptor, offset + at, memoryview(zeros)[: length - at])


@contextmanager
def restored_device(path: Path, size_bytes: int, on_zeroed: OnZeroed) -> Iterator[ZeroedDevice]:
    """Give the device at *path* to write into; its first *size_bytes* are the disk afterwards."""
    with failures_named(path):
        try:
            # Exclusive: refused while it is mounted, or something else was made of it.
            descriptor = os.open(path, os.O_RDWR | os.O_EXCL)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise PermanentError(f"{path} is in use", reason="DeviceInUse") from error
            raise
        try:
            device = ZeroedDevice(descriptor, size_bytes, on_zeroed)
            yield device
            device.zero()  # a disk of nothing but zeros
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
