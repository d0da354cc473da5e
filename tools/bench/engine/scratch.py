"""Where the engine's bench keeps what it makes, and where it works: what is left there is removed.

A scratch folder is locked as long as its process lives. One that nobody holds was left by a bench
that was killed, and goes with the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.local_cloud.toolchains import ROOT

KEPT: Final = ROOT / "build" / "bench"

_PREFIX = "scratch-"


@contextmanager
def scratch_folder(where: Path = KEPT) -> Iterator[Path]:
    """Give an empty folder on the file system of the images, until the block ends."""
    where.mkdir(parents=True, exist_ok=True)
    remove_left(where)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=where) as scratch:
        held = _locked(Path(scratch))
        try:
            yield Path(scratch)
        finally:
            if held is not None:
                os.close(held)


def remove_left(where: Path = KEPT) -> None:
    """Remove the scratch folders that no process works in any more."""
    for folder in where.glob(f"{_PREFIX}*"):
        held = _locked(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _locked(folder: Path) -> int | None:
    """Return the open *folder*, held by this process; None where another one holds it."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held
