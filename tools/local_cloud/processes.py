"""Processes of the local cloud: each with its log, and none outliving the program that began it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

STOP_DEADLINE_S = 20.0


class Process(Protocol):
    """What is asked of a process, however it was begun: as of `subprocess.Popen`."""

    pid: int

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it by SIGKILL."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program, its log and what it is called."""

    name: str
    log: Path
    process: Process = field(repr=False)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def last_words(self) -> str:
        """Return the end of the log, for the message of an error."""
        return self.log.read_text(errors="replace").strip()[-3000:]

    def kill(self) -> None:
        """End the program by SIGKILL: it gets to do nothing more."""
        self.process.kill()
        self.process.wait()

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Ask the program to end, and end it after *deadline_s*; return its exit code.

        One that has ended before is no error.
        """
        self.process.terminate()
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait()


def start_program(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    descriptors: Sequence[int] = (),
) -> Program:
    """Start *command*, its output going to *log*; the kernel ends it when our thread ends.

    It gets our *descriptors*, by the same numbers.

    That thread is the one which calls: start from the main thread, or from one that lasts. The
    environment is *environment* over a bare one: no proxy of ours is meant for these programs, and
    their temporary files lie beside the log: what is killed removes none of them.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise FileNotFoundError("setpriv is not installed: it comes with util-linux")
    words = [str(word) for word in command]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [setpriv, "--pdeathsig", "KILL", "--", *words],
            cwd=log.parent,
            env=program_environment(log, environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
        )
    return Program(Path(words[0]).name, log, process)


def program_environment(log: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a program with that *log* has in its environment beside *environment*."""
    bare = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(log.parent)}
    return {**bare, **environment, "TMPDIR": str(log.parent)}


def free_port() -> int:
    """Return a port of loopback that nobody listens on at this moment."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
