"""Python programs that tests run again and again: loaded once, each run a process of its own.

Loading takes most of what a short run computes, and seconds of an operator's start. Where a test is
about what a program does, or about its end in the middle of that, and not about its start, a run
forks from a process that has loaded it and done nothing else.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.local_cloud.processes import Program, start_program

_SERVER = Path(__file__).with_name("loaded_program.py")
_LOADING_S = 300.0


class Run:
    """A run of a loaded program, with what `subprocess.Popen` offers of a process."""

    def __init__(self, pid: int, code: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._turn = threading.Lock()  # its end is said once
        self._code = code
        self._process: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._process = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code; raise `TimeoutExpired` where it has not ended after *timeout*."""
        with self._turn:
            if self.returncode is None:
                if not select.select([self._code], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
                said = os.read(self._code, 16)
                # Nothing is said where the program that was loaded has ended: its runs end with it.
                self.returncode = int(said) if said else -signal.SIGKILL
                os.close(self._code)
                if self._process is not None:
                    os.close(self._process)
            return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None and self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, which is not said yet
                signal.pidfd_send_signal(self._process, number)


class Loaded:
    """A Python program, loaded in *environment* when it is first run, until it is unloaded.

    *entry* is what a console script calls, ``module:function``; *modules* are those that it loads
    only when it runs. What goes wrong while it is loaded is in *log*.
    """

    def __init__(
        self, entry: str, log: Path, environment: Mapping[str, str], modules: Sequence[str] = ()
    ) -> None:
        self._entry, self._modules = entry, modules
        self._log, self._environment = log, environment
        self._turn = threading.Lock()
        self._server: Program | None = None
        self._channel: socket.socket | None = None

    def begin(
        self,
        words: Sequence[str],
        streams: tuple[int, int, int],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Run:
        """Run it with *words* as its arguments, and with these standard streams."""
        asked = {
            "words": [self._entry.partition(":")[0], *words],
            "environment": dict(environment),
            "folder": str(folder),
        }
        code, says_code = os.pipe()
        descriptors = array.array("i", [*streams, says_code])
        pid = b""
        try:
            with self._turn, contextlib.suppress(ConnectionError, TimeoutError):
                channel = self._loaded()
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
                channel.sendmsg([json.dumps(asked).encode()], ancillary)
                pid = channel.recv(16)
        finally:
            os.close(says_code)
        if not pid:
            os.close(code)
            raise RuntimeError(f"{self._entry} was not loaded: see {self._log}")
        return Run(int(pid), code)

    def unload(self) -> None:
        """End what is loaded, and with it every run."""
        with self._turn:
            if self._channel is not None and self._server is not None:
                self._channel.close()
                self._server.stop()
            self._channel = self._server = None

    def _loaded(self) -> socket.socket:
        if self._channel is None:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._channel.settimeout(_LOADING_S)
            with theirs:
                # -P: where our file lies is no place to look for modules.
                command = [sys.executable, "-P", str(_SERVER), str(theirs.fileno())]
                self._server = start_program(
                    [*command, self._entry, *self._modules],
                    self._log,
                    self._environment,
                    descriptors=[theirs.fileno()],
                )
        return self._channel
