"""How a directory gives a name to a file whose bytes are durable, and refuses one that is taken.

Which way a file system keeps is found out once, by trying; see section 2 of
docs/repository-format.md.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from vmbackup_core.errors import PermanentError

#: The ways of a directory, as a repository's header says them.
PutIfAbsent = Literal["link", "rename", "exclusive"]

#: Gives the file at the first path the name of the second, or raises FileExistsError.
Way = Callable[[Path, Path], None]

#: Where unfinished writes lie; no name of an object has a dot there, so listings pass it by.
UNFINISHED: Final = ".unfinished"

_AT_CWD: Final = -100
_NO_REPLACE: Final = 1


def by_link(unfinished: Path, final: Path) -> None:
    """Link, then unlink: a link, unlike a rename, never replaces what has the name already."""
    os.link(unfinished, final)
    unfinished.unlink()


def by_rename(unfinished: Path, final: Path) -> None:
    """Rename, and have the kernel refuse to replace."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library without it
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    names = (os.fsencode(unfinished), os.fsencode(final))
    if rename(_AT_CWD, names[0], _AT_CWD, names[1], _NO_REPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(final))


def by_copy(unfinished: Path, final: Path) -> None:
    """Write the final file itself, which is made only where the name is free.

    A crash may leave it cut.
    """
    with final.open("xb") as file:
        try:
            file.write(unfinished.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            final.unlink(missing_ok=True)
            raise
    unfinished.unlink()


def by_plain_rename(unfinished: Path, final: Path) -> None:
    """Look, then rename: for names that nobody else can have drawn."""
    if os.path.lexists(final):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    unfinished.rename(final)


WAYS: Mapping[PutIfAbsent, Way] = MappingProxyType(
    {"link": by_link, "rename": by_rename, "exclusive": by_copy}
)


def find_put_if_absent(root: Path, ways: Mapping[PutIfAbsent, Way] = WAYS) -> PutIfAbsent:
    """Return the first of *ways* that the file system of the directory *root* keeps."""
    folder = root / UNFINISHED
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(
            f"{root}: {error.strerror or type(error).__name__}", reason="StoreUnsuitable"
        ) from error
    for name, way in ways.items():
        if _keeps(folder, way):
            return name
    raise PermanentError(
        f"{root}: its file system gives no way to store a file only where its name is free",
        reason="StoreUnsuitable",
    )


def _keeps(folder: Path, way: Way) -> bool:
    """Tell whether *way* gives a free name, and leaves one that is taken as it is."""
    drawn = secrets.token_hex(16)
    first, second, final = (folder / f"{drawn}-{part}" for part in ("first", "second", "final"))
    try:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        way(first, final)
        try:
            way(second, final)
        except FileExistsError:
            return final.read_bytes() == b"first" and not first.exists()
    except OSError:
        return False
    else:
        return False
    finally:
        for path in (first, second, final):
            path.unlink(missing_ok=True)
