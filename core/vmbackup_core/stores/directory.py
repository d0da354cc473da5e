"""Objects as files below a directory: a name appears only when all its bytes are on the disk."""

from __future__ import annotations

import builtins
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from typing_extensions import override

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.kept_reads import KeptReads
from vmbackup_core.stores.port import (
    AlreadyStored,
    Buffer,
    LocksNotKept,
    NotDeleted,
    NotStored,
    ObjectLock,
    ObjectUnreadable,
    Store,
    StoredObject,
    TooLarge,
    checked_batch,
    checked_name,
)
from vmbackup_core.stores.put_if_absent import UNFINISHED, WAYS, PutIfAbsent, by_plain_rename

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
    """The directory *root*, which is made when something is stored in it.

    *put_if_absent* is how a name that is taken is refused. Where all *names_are_random*, so that
    two never want one name, what a crash could cut is renamed instead.
    """

    def __init__(
        self, root: Path, put_if_absent: PutIfAbsent = "link", *, names_are_random: bool = False
    ) -> None:
        self._root = root
        self._reads = KeptReads()
        cuts = put_if_absent == "exclusive" and names_are_random
        self._give_name = by_plain_rename if cuts else WAYS[put_if_absent]

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        path = self._root / checked_name(name)
        with _translated(f"storing {name} in {self._root}"):
            folder = self._root / UNFINISHED
            _make_folder(folder)
            unfinished = folder / secrets.token_hex(16)
            try:
                _write_durably(unfinished, data)
                self._name_it(unfinished, path)
            except FileExistsError:
                raise AlreadyStored(name) from None
            finally:
                unfinished.unlink(missing_ok=True)
            _make_durable(path.parent)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        path = self._root / checked_name(name)
        with (
            _reading(f"reading {name} in {self._root}"),
            _missing_named(name),
            path.open("rb") as file,
        ):
            content = file.read() if most is None else file.read(most + 1)
        if most is not None and len(content) > most:
            raise TooLarge(name, most)
        return content

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        path = self._root / checked_name(name)
        with (
            _reading(f"reading {name} in {self._root}"),
            _missing_named(name),
            path.open("rb", buffering=0) as file,
        ):
            return self._reads.read(file.fileno(), offset, length)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        path = self._root / checked_name(name)
        with (
            _reading(f"reading {name} in {self._root}"),
            _missing_named(name),
            path.open("rb") as file,
        ):
            found = file.seek(0, os.SEEK_END)
            file.seek(max(0, found - length))
            return file.read(length), found

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        start = self._start_of(prefix)
        with _reading(f"listing {prefix or 'everything'} in {self._root}"):
            for count, found in enumerate(_objects(self._root, start, prefix)):
                if count == limit:
                    return
                yield found

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        start = self._start_of(prefix)
        with _reading(f"listing {prefix or 'everything'} in {self._root}"):
            for entry in _entries(start):
                name = f"{Path(entry.path).relative_to(self._root).as_posix()}/"
                if (
                    name.startswith(prefix)
                    and entry.is_dir(follow_symlinks=False)
                    and _holds_a_file(Path(entry.path))
                ):
                    yield name

    @override
    def delete(self, name: str) -> None:
        path = self._root / checked_name(name)
        with _translated(f"deleting {name} in {self._root}"):
            path.unlink(missing_ok=True)

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        for name in checked_batch(names):
            self.delete(name)
        return []

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        return iter(())

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        raise self._lockless()

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        raise self._lockless()

    def _lockless(self) -> LocksNotKept:
        return LocksNotKept(str(self._root), "whoever may write in a directory may delete there")

    def _name_it(self, unfinished: Path, path: Path) -> None:
        """Give the file its name, in a folder that somebody may remove while it is empty."""
        _make_folder(path.parent)
        try:
            self._give_name(unfinished, path)
        except FileNotFoundError:
            _make_folder(path.parent)
            self._give_name(unfinished, path)

    def _start_of(self, prefix: str) -> Path:
        """Return the folder in which everything lies whose name begins with *prefix*."""
        within = prefix.rpartition("/")[0]
        if within:
            checked_name(within)
        return self._root / within


def _objects(root: Path, start: Path, prefix: str) -> Iterator[StoredObject]:
    """Yield the files below *start* in order of their whole names, one folder at a time."""
    if root.is_file():
        raise NotADirectoryError(errno.ENOTDIR, "it is a file")
    for entry in _entries(start):
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if entry.is_dir(follow_symlinks=False):
            if f"{name}/".startswith(prefix[: len(name) + 1]):
                yield from _objects(root, path, prefix)
        elif name.startswith(prefix) and not path.is_dir():  # a link to a folder is no object
            with _tolerating_missing():
                yield StoredObject(name, _size_of(path))


def _entries(folder: Path) -> builtins.list[os.DirEntry[str]]:
    """Return what is in *folder* in the order of the whole names that begin there."""
    try:
        with os.scandir(folder) as found:
            shown = [entry for entry in found if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []  # a prefix that is no folder, or one that was removed meanwhile
    return sorted(shown, key=lambda entry: entry.name + "/" * entry.is_dir(follow_symlinks=False))


def _holds_a_file(folder: Path) -> bool:
    """Tell whether anything is stored below *folder*: a store knows no empty folders."""
    entries = _entries(folder)
    return any(
        not entry.is_dir(follow_symlinks=False) or _holds_a_file(Path(entry.path))
        for entry in entries
    )


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
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


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
