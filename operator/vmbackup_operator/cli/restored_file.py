"""A disk restored into a sparse file, which has its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.stores.port import Buffer


class SparseFile:
    """A file that is zero wherever nothing was written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset*."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            offset += written
            view = view[written:]


@contextmanager
def restored_file(path: Path, size_bytes: int, *, force: bool) -> Iterator[SparseFile]:
    """Give a file of *size_bytes* to write into; it becomes *path* when the block ends well."""
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, size_bytes)
            yield SparseFile(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _name(unfinished, path, force=force)
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", reason="RestoreFailed") from error
    finally:
        unfinished.unlink(missing_ok=True)


def refuse_existing(path: Path) -> None:
    """Raise where there is something at *path*."""
    if os.path.lexists(path):
        raise PermanentError(f"{path} exists; --force replaces it", reason="FileExists")


def _name(unfinished: Path, path: Path, *, force: bool) -> None:
    if force:
        unfinished.replace(path)
        return
    try:
        os.link(unfinished, path)  # unlike a rename it never replaces what came meanwhile
    except FileExistsError:
        refuse_existing(path)
