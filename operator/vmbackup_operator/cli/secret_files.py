"""Files that hold a secret: read within bounds, never shown, warned of where others read them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.user_key import UserKey

#: More than any key or SAS has; a device that never ends is not read to its end.
MOST_BYTES = 16 * 1024

Warn = Callable[[str], None]


def read_key(path: Path, warn: Warn) -> UserKey:
    """Return the user key in the file; *warn* hears of rights that are too wide."""
    content = _content(path, "key file", warn, reason="KeyFileUnreadable")
    try:
        return UserKey.parse(content)
    except PermanentError as error:
        raise PermanentError(f"key file {path}: {error}", reason=error.reason) from None


def read_sas_file(path: Path, warn: Warn) -> str:
    """Return the text in the file of a SAS."""
    content = _content(path, "SAS file", warn, reason="SasFileUnreadable")
    return content.decode("ascii", errors="replace").strip()


def read_export_file(path: Path, warn: Warn) -> str:
    """Return the text in the file that has the address of a snapshot's export."""
    content = _content(path, "snapshot URL file", warn, reason="SasFileUnreadable")
    return content.decode("ascii", errors="replace").strip()


def read_printed(path: Path) -> str:
    """Return the text of a printed wrap, which tells nothing without its key."""
    return _content(path, "printed key", lambda _warning: None, reason="KeyFileUnreadable").decode(
        "ascii", errors="replace"
    )


def _content(path: Path, what: str, warn: Warn, *, reason: str) -> bytes:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PermanentError(f"{what} {path}: {error.strerror}", reason=reason) from error
    if len(content) > MOST_BYTES:
        raise PermanentError(f"{what} {path}: more than {MOST_BYTES} bytes", reason=reason)
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISREG(found.st_mode) and mode & 0o077:
        warn(f"warning: {what} {path} is open to others (mode {mode:04o}); chmod 600 {path}")
    return content
