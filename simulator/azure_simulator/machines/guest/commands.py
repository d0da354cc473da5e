"""Run Commands: a script by ``bash -c`` as root, its time limited, the end of its output kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: What systemd gives to services and the VM agent to scripts.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}

#: Azure's own limit on what an instance view shows of each stream.
KEPT_BYTES = 4096

_CANNOT_RUN = 126

_FOLDER = Path("/var/lib/waagent/run-command/download")


@dataclass(frozen=True)
class Result:
    """How a script ended; *exit_code* is None where its time was over."""

    exit_code: int | None
    stdout: str
    stderr: str


async def run_command(
    number: int, script: str, environment: Mapping[str, str], timeout_s: float
) -> Result:
    """Run *script* to its end, or kill it and what it started after *timeout_s*.

    The output goes to files, so that what a script leaves running does not hold up its result.
    """
    folder = _FOLDER / str(number)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = folder / "stdout", folder / "stderr"
    with paths[0].open("wb") as stdout, paths[1].open("wb") as stderr:
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/bash",
                "-c",
                script,
                env={**ENVIRONMENT, **environment},
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:  # longer than an argument may be
            return Result(_CANNOT_RUN, "", f"/bin/bash: {error.strerror}")
    exit_code = await _wait(process, timeout_s)
    return Result(exit_code, _end_of(paths[0]), _end_of(paths[1]))


async def _wait(process: asyncio.subprocess.Process, timeout_s: float) -> int | None:
    ending = asyncio.create_task(process.wait())
    try:
        # wait() and not wait_for(): the error of the latter has another class before Python 3.11.
        await asyncio.wait([ending], timeout=timeout_s)
    finally:
        timed_out = not ending.done()
        if timed_out:
            _kill(process.pid)
    code = await ending
    if timed_out:
        return None
    return code if code >= 0 else 128 - code


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
        os.killpg(pid, signal.SIGKILL)


def _end_of(path: Path) -> str:
    with path.open("rb") as output:
        output.seek(max(0, os.fstat(output.fileno()).st_size - KEPT_BYTES))
        return output.read(KEPT_BYTES).decode(errors="replace")
