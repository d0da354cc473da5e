"""Objects as files below a directory: a name appears only when all its bytes are on the disk."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    NotStored,
    Store,
    StoredObject,
    checked_name,
)

#: Where unfinished writes lie; no name of an object has a dot there, so listings pass it by.
UNFINISHED = ".unfinished"

_REASONS = {
    errno.EACCES: "StoreAccessDenied",
    errno.EPERM: "StoreAccessDenied",
    errno.EROFS: "StoreReadOnly",
    errno.ENOSPC: "StoreFull",
    errno.EDQUOT: "StoreFull",
    errno.ENOTDIR: "StoreNotADirectory",
    errno.EISDIR: "StoreNotADirectory",
    errno.EMLINK: "StoreUnsuitable",
    errno.ENOTSUP: "StoreUnsuitable",
}


class DirectoryStore(Store):
    """The directory *root*, which is made when something is stored in it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        path = self._root / checked_name(name)
        with _translated(f"storing {name} in {self._root}"):
            folder = self._root / UNFINISHED
            _make_folder(folder)
            _make_folder(path.parent)
            unfinished = folder / secrets.token_hex(16)
            try:
                _write_durably(unfinished, data)
                # A link, unlike a rename, never replaces what has the name already.
                os.link(unfinished, path)
            except FileExistsError:
                raise AlreadyStored(name) from None
            finally:
                unfinished.unlink(missing_ok=True)
            _make_durable(path.parent)

    @override
    def get(self, name: str) -> bytes:
        with _translated(f"reading {name} in {self._root}"), _missing_named(name):
            return (self._root / checked_name(name)).read_bytes()

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        path = self._root / checked_name(name)
        doing = f"reading {name} in {self._root}"
        with _translated(doing), _missing_named(name), path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    @override
    def list(self, prefix: str) -> Iterator[StoredObject]:
        with _translated(f"listing {prefix or 'everything'} in {self._root}"):
            found = sorted(self._files(prefix), key=lambda each: each.name)
        yield from found

    @override
    def delete(self, name: str) -> None:
        path = self._root / checked_name(name)
        with _translated(f"deleting {name} in {self._root}"):
            path.unlink(missing_ok=True)

    def _files(self, prefix: str) -> Iterator[StoredObject]:
        within = prefix.rpartition("/")[0]
        if within:
            checked_name(within)
        if self._root.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file")
        start = self._root / within
        for folder, folders, files in os.walk(start, onerror=_raise_unless_missing):
            folders[:] = [each for each in folders if not each.startswith(".")]
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self._root).as_posix()
                if name.startswith(prefix) and not file.startswith("."):
                    with _tolerating_missing():
                        yield StoredObject(name, path.stat().st_size)


def _write_durably(path: Path, data: Buffer) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """Make *folder* and what is missing above it, each entry durable before it is used."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _make_durable(folder.parent)


def _make_durable(folder: Path) -> None:
    """Have the names in *folder* survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _raise_unless_missing(error: OSError) -> None:
    """Let a listing be empty where its prefix is no folder."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


@contextmanager
def _tolerating_missing() -> Iterator[None]:
    """Somebody may delete an object between its listing and a look at it."""
    try:
        yield
    except FileNotFoundError:
        return


@contextmanager
def _missing_named(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotStored(name) from None


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        reason = _REASONS.get(error.errno or 0)
        if reason is not None:
            raise PermanentError(f"{doing}: {said}", reason=reason) from error
        raise TransientError(f"{doing}: {said}") from error
