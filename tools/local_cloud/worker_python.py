"""The Python of the simulated workers: 3.10, as on Ubuntu 22.04, where this machine has one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What Ubuntu 22.04 ships.
WANTED = "3.10"

_QUESTION = "import sys; print('%d.%d' % sys.version_info[:2])"
_ANSWER_S = 30


class DoesNotRun(Exception):
    """A program with Python's name that says no version; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class WorkerPython:
    """An interpreter and its ``major.minor`` version, which the bundle is built for.

    *passed_over* says of each program that looked like the wanted one why it was not taken.
    """

    executable: Path
    version: str
    passed_over: tuple[str, ...] = ()


def worker_python() -> WorkerPython:
    """Return Python 3.10 where pyenv or PATH has one that runs, else the one that runs this."""
    passed_over: list[str] = []
    for candidate in _candidates():
        unfit = _unfit(candidate)
        if unfit is None:
            return WorkerPython(candidate, WANTED, tuple(passed_over))
        passed_over.append(unfit)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return WorkerPython(Path(sys.executable).resolve(), own, tuple(passed_over))


def _candidates() -> Iterator[Path]:
    """Yield what may be the wanted Python: pyenv's own before PATH, where only its shims are."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{WANTED}.*/bin/python{WANTED}"))
    for folder in os.get_exec_path():
        candidate = Path(folder) / f"python{WANTED}"
        if candidate.is_file() and os.access(candidate, os.X_OK):
            yield candidate


def _unfit(candidate: Path) -> str | None:
    """Return why *candidate* is not to be taken; None where it is the wanted Python."""
    try:
        version = _version(candidate)
    except DoesNotRun as fault:
        return f"{candidate} does not run: {fault}"
    return None if version == WANTED else f"{candidate} is Python {version}"


def _version(executable: Path) -> str:
    """Return the interpreter's version; a version manager's shim may not have any."""
    try:
        done = subprocess.run(
            [executable, "-I", "-c", _QUESTION],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_S,
        )
    except OSError as error:
        raise DoesNotRun(error.strerror) from error
    except subprocess.TimeoutExpired as error:
        raise DoesNotRun(f"no answer in {_ANSWER_S} s") from error
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0]
        raise DoesNotRun(f"it ended with {done.returncode}" + (f": {said}" if said else ""))
    return done.stdout.strip()
