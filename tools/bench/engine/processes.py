"""Programs that are measured: each alone, as the system accounts for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.local_cloud.toolchains import ROOT

LAUNCHER = Path(__file__).with_name("launcher.py")

#: Python finds bytecode, as whatever is installed has it, also where the environment would have
#: each start compile every module anew. The first process that loads one writes it.
_INSTALLED: Mapping[str, str] = {
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bench" / "bytecode"),
}

_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a whole process took, start-up and all; MB are 10^6 bytes."""

    s: float
    cpu_s: float
    rss_mb: float

    def figures(self) -> dict[str, float]:
        """Return them by name."""
        return {"s": self.s, "cpu_s": self.cpu_s, "rss_mb": self.rss_mb}


def measured(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    expected: int = 0,
) -> Cost:
    """Run *command* in *folder*; raise with its last words where it does not end as expected."""
    with tempfile.TemporaryDirectory(prefix="vmbackup-bench-") as scratch:
        result, said = Path(scratch, "took.json"), Path(scratch, "said")
        launch = [sys.executable, "-I", "-S", LAUNCHER, result, *command]
        with (
            said.open("wb") as output,
            subprocess.Popen(
                [str(each) for each in launch],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **_INSTALLED, **(environment or {})},
                start_new_session=True,
            ) as process,
        ):
            _ended(process)
        if process.returncode != expected:
            words = said.read_bytes().decode(errors="replace").strip()[-4000:]
            told = " ".join(map(str, command))
            raise RuntimeError(f"{told} ended with {process.returncode}:\n{words}")
        return Cost(**json.loads(result.read_text()))


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end; where that is broken off, end it with all that it has started."""
    try:
        process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


@contextmanager
def serving(module: str, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a module of ours that serves until the block ends; yield it and its first line.

    Its standard input ends with this process, however that ends, and it goes then.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            line = "" if process.stdout is None else process.stdout.readline().strip()
            if not line:
                raise RuntimeError(f"{module} did not start: it ended with {process.wait()}")
            yield process, line
        finally:
            process.terminate()


def used_cpu_s(process: int) -> float:
    """Return the processor time that a running process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system = 11, 12  # utime and stime, counted behind the name
    return (int(fields[user]) + int(fields[system])) * _TICKS_S


def folder_mb(folder: Path) -> float:
    """Return how much the files below *folder* hold."""
    sizes = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return sum(sizes) / 1e6
