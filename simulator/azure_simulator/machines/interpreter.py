"""The image's Python: where it is installed and which version it says it is."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

_OLDEST = (3, 10)

_QUESTION = (
    "import json, os, sys; print(json.dumps({"
    "'version': list(sys.version_info[:3]),"
    "'executable': os.path.realpath(getattr(sys, '_base_executable', sys.executable)),"
    "'prefix': os.path.realpath(sys.base_prefix)}))"
)


class UnfitPython(Exception):
    """The interpreter can't be a VM's."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python outside of any virtual environment."""

    executable: Path
    prefix: Path
    version: str


async def find_interpreter(python: Path | None) -> Interpreter:
    """Return what *python* is, or the simulator's own where None is given."""
    asked = str(python or sys.executable)
    try:
        process = await asyncio.create_subprocess_exec(
            asked,
            "-I",
            "-c",
            _QUESTION,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise UnfitPython(f"{asked}: {error.strerror}") from error
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise UnfitPython(f"{asked} is no Python: it ended with {process.returncode}")
    said = json.loads(output)
    if tuple(said["version"]) < _OLDEST:
        raise UnfitPython(f"{asked} is Python {said['version']}; a VM needs 3.10 or newer")
    return Interpreter(
        executable=Path(said["executable"]),
        prefix=Path(said["prefix"]),
        version=".".join(str(part) for part in said["version"]),
    )
