"""The Python of the simulated workers: 3.10, as on Ubuntu 22.04, where this machine has one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What Ubuntu 22.04 ships.
WANTED = "3.10"


@dataclass(frozen=True, slots=True)
class WorkerPython:
    """An interpreter and its ``major.minor`` version, which the bundle is built for."""

    executable: Path
    version: str


def worker_python() -> WorkerPython:
    """Return Python 3.10 where PATH or pyenv has one that runs, else the one that runs this."""
    for candidate in _candidates():
        if _version(candidate) == WANTED:
            return WorkerPython(candidate, WANTED)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return WorkerPython(Path(sys.executable).resolve(), own)


def _candidates() -> Iterator[Path]:
    yield from sorted(Path.home().glob(f".pyenv/versions/{WANTED}.*/bin/python{WANTED}"))
    on_path = shutil.which(f"python{WANTED}")
    if on_path is not None:
        yield Path(on_path)


def _version(executable: Path) -> str:
    """Return the interpreter's version, or "" where it does not run (a pyenv shim may not)."""
    try:
        done = subprocess.run(
            [executable, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
