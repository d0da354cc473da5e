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
    ObjectUnreadable,
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

#: What one object can be like while others are well, by what its reading says: a bad sector, a
#: file system's own checksum, a folder or a loop of links in the file's place, a file without the
#: right to read it, a file in a folder's place.
_OBJECTS_OWN = {
    errno.EIO: "ObjectUnreadable",
    errno.EBADMSG: "ObjectUnreadable",
    getattr(errno, "EUCLEAN", errno.EIO): "ObjectUnreadable",
    errno.EISDIR: "ObjectUnreadable",
    errno.ELOOP: "ObjectUnreadable",
    errno.EACCES: "StoreAccessDenied",
    errno.EPERM: "StoreAccessDenied",
    errno.ENOTDIR: "StoreNotADirectory",
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
        with _reading(f"reading {name} in {self._root}"), _missing_named(name):
            return (self._root / checked_name(name)).read_bytes()

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        path = self._root / checked_name(name)
        doing = f"reading {name} in {self._root}"
        with _reading(doing), _missing_named(name), path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    @override
    def list(self, prefix: str) -> Iterator[StoredObject]:
        with _reading(f"listing {prefix or 'everything'} in {self._root}"):
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
                        yield StoredObject(name, _size_of(path))


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


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        if error.errno == errno.ELOOP:  # there is something, and its reading will say what
            return path.lstat().st_size
        raise


@contextmanager
def _missing_named(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotStored(name) from None


@contextmanager
def _reading(doing: str) -> Iterator[None]:
    """Translate what *doing* raises, and tell what is one object's own from what is the store's."""
    with _translated(doing):
        try:
            yield
        except OSError as error:
            reason = _OBJECTS_OWN.get(error.errno or 0)
            if reason is None:
                raise
            raise ObjectUnreadable(f"{doing}: {_said(error)}", reason=reason) from error


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is not None:
            raise PermanentError(f"{doing}: {_said(error)}", reason=reason) from error
        raise TransientError(f"{doing}: {_said(error)}") from error


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__
