"""A disk restored into a file, which has its name only when it is whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_core.stores.port import Buffer
from vmbackup_operator.cli.writing_out import WritingOut

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: A file's name has 255 bytes at most; the rest is for what tells that it is unfinished.
_NAME_BYTES = 220

#: Gives the first path's file the second path as another name; raises OSError.
Link = Callable[[Path, Path], None]


class Image(DiskSink, Protocol):
    """What a disk is in a file."""

    def finish(self) -> None:
        """Write what is still owed when all of the disk is written."""


#: Returns the image of a disk of so many bytes in the empty file of a descriptor.
NewImage = Callable[[int, int], Image]


class SparseFile(Image):
    """The disk's bytes alone: a file that is zero wherever nothing was written."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._out = WritingOut(descriptor)
        os.ftruncate(descriptor, size_bytes)

    @override
    def finish(self) -> None:
        return

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset*."""
        self._out.write_all(offset, data)


@contextmanager
def restored_file(
    path: Path,
    size_bytes: int,
    *,
    force: bool,
    link: Link = os.link,
    new_image: NewImage = SparseFile,
) -> Iterator[Image]:
    """Give an image of a disk of *size_bytes*; its file becomes *path* when the block ends well.

    What the block could not finish is deleted; what it has finished never is. *link* gives a file
    a second name, where its file system can.
    """
    unfinished = path.with_name(_unfinished_name(path.name))
    try:
        with failures_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                image = new_image(descriptor, size_bytes)
                yield image
                image.finish()
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    try:
        if force:
            unfinished.replace(path)
        else:
            _name(unfinished, path, link)
    except OSError as error:
        raise PermanentError(
            f"{path}: {error.strerror}; the restored disk is whole, in {unfinished}",
            reason="RestoredElsewhere",
        ) from error


@contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """Raise what the operating system refuses as an error that names *path*."""
    try:
        yield
    except OSError as error:
        reason = "TargetFull" if error.errno in _FULL else "RestoreFailed"
        raise PermanentError(f"{path}: {error.strerror}", reason=reason) from error


def _unfinished_name(name: str) -> str:
    kept = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
    return f"{kept}.unfinished-{secrets.token_hex(4)}"


def _name(unfinished: Path, path: Path, link: Link) -> None:
    """Give the finished file its name, never that of something that is there."""
    try:
        link(unfinished, path)  # unlike a rename it never replaces what came meanwhile
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first, then used
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        unfinished.replace(path)
    else:
        unfinished.unlink()
