"""The demo as a process: however it ends, nothing that it started goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.clients.programs import built
from tools.local_cloud.go_programs import HELM

pytestmark = [pytest.mark.control_plane, pytest.mark.azurite, pytest.mark.machines]

ROOT = Path(__file__).resolve().parents[2]
#: Control plane, simulated Azure and operator run once this step has ended.
ALL_RUNNING = "✓ helm install --wait"
#: From here on a thread of the demo's fills the simulated Azure, while Kubernetes starts.
TWO_AT_WORK = "… etcd, API server and controller manager"
START_S = 240


def started_by(ancestor: int) -> set[int]:
    """Return the ids of the processes below *ancestor*."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since it was listed
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    below, more = {ancestor}, True
    while more:
        found = {pid for pid, parent in parents.items() if parent in below} - below
        below |= found
        more = bool(found)
    return below - {ancestor}


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def demo(tmp_path: Path, reached: str) -> Iterator[subprocess.Popen[bytes]]:
    """A demo that has come to the line *reached*, and goes on."""
    built(HELM)
    log = tmp_path / "said"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tools.demo", str(tmp_path / "demo")],
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_S
        while reached not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("reached", "number", "at_least"),
    [
        # etcd, API server, controllers, simulator; of two pods network, container, operator
        pytest.param(ALL_RUNNING, signal.SIGINT, 10, id="asked"),
        pytest.param(ALL_RUNNING, signal.SIGKILL, 10, id="killed"),
        pytest.param(TWO_AT_WORK, signal.SIGTERM, 1, id="asked while two threads are at work"),
    ],
)
def test_a_demo_that_ends_leaves_no_process(
    demo: subprocess.Popen[bytes], number: signal.Signals, at_least: int
) -> None:
    running = started_by(demo.pid)
    assert len(running) >= at_least

    os.kill(demo.pid, number)
    code = demo.wait(60)

    assert code == (-number if number == signal.SIGKILL else 128 + number)
    deadline = time.monotonic() + 15
    while any(map(is_running, running)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in running if is_running(pid)] == []
