"""The simulated Azure as a process: started, awaited, and ended with whoever started it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.local_cloud import azurite, toolchains
from tools.local_cloud.operator_process import clean_environment
from tools.local_cloud.worker_python import worker_python

START_S = 300
STOP_S = 30

#: How much faster than Azure its operations end, where nothing else is asked for.
SPEED = 30


@contextmanager
def simulated_azure(
    folder: Path, *, speed: float = SPEED, rights_after_s: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Run the simulator with its state in *folder* until the block ends; yield what it says.

    That is its ``ready.json``: proxies, CA, administrator, tenant (docs/simulator.md). A role
    assignment takes *rights_after_s* of Azure's time to count.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "simulator.log"
    process = _start(folder, speed, rights_after_s, log)
    try:
        yield _ready(process, folder / "ready.json", log)
    finally:
        _stop(process)


def _start(folder: Path, speed: float, rights_after_s: float, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "azure_simulator",
                f"--state={folder}",
                f"--speed={speed}",
                f"--rights-after={rights_after_s}",
                f"--python={worker_python().executable}",
                f"--node={toolchains.node()}",
                f"--azurite={azurite.installed()}",
            ],
            env=clean_environment(),
            stdin=subprocess.PIPE,  # closed when this process ends, however it ends
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _ready(process: subprocess.Popen[bytes], path: Path, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            last_words = log.read_text(errors="replace").strip()[-3000:]
            raise RuntimeError(f"the Azure simulator did not start:\n{last_words}")
        time.sleep(0.05)
    ready: dict[str, Any] = json.loads(path.read_text())
    return ready


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
