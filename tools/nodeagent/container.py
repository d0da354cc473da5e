"""A container as a process: in its pod's network, with a root and process ids of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.local_cloud.processes import Program, start_program
from tools.local_cloud.toolchains import ROOT
from tools.nodeagent.contained import BY_SIGNAL, Plan
from tools.nodeagent.network import Network

#: Joining the pod's network may undo what was asked of the kernel before.
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class ContainerProcess:
    """A container that was started."""

    _program: Program

    @property
    def log(self) -> Path:
        """Where its lines go."""
        return self._program.log

    @property
    def pid(self) -> int | None:
        """The id that this machine has for its first process; None where that has ended."""
        outer = self._program.process.pid
        try:
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    @property
    def exit_code(self) -> int | None:
        """What it ended with, a signal as 128 and its number; None while it runs."""
        code = self._program.process.poll()
        return code if code is None or code >= 0 else BY_SIGNAL - code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its first process, if that has not ended."""
        if (pid := self.pid) is not None and self.exit_code is None:
            os.kill(pid, number)

    def end(self, grace_s: float) -> int:
        """Ask it to end by SIGTERM, and end it once *grace_s* is over; return its exit code."""
        deadline = time.monotonic() + grace_s
        self.send(signal.SIGTERM)
        while self.exit_code is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        self.send(signal.SIGKILL)
        code = self._program.process.wait()
        return code if code >= 0 else BY_SIGNAL - code


def start_container(network: Network, plan: Plan, folder: Path, log: Path) -> ContainerProcess:
    """Start the container of *plan* in *network*; it ends with the calling thread.

    The plan lies in *folder* until it is read, for nobody else to see.
    """
    path = folder / "plan.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(plan.to_json())
    words = [*network.joined_by, *_ENDS_WITH_US]
    words += [sys.executable, "-m", "tools.nodeagent.contained", str(path)]
    return ContainerProcess(start_program(words, log, {"PYTHONPATH": str(ROOT)}))
