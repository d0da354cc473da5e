"""What a whole process takes is its own: not its parent's memory, and not that of who measures."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.bench.engine.processes import measured, serving
from tools.bench.engine.time_limit import OutOfTime, no_longer_than

HUNDRED_MB = "held = bytearray(100_000_000)"


def test_a_process_is_accounted_for_by_what_it_holds() -> None:
    held = measured([sys.executable, "-I", "-S", "-c", HUNDRED_MB])

    assert 100 < held.rss_mb < 130
    assert held.cpu_s > 0
    assert held.s > 0


def test_a_small_process_is_small_whoever_starts_it() -> None:
    ours = bytearray(b"x") * 200_000_000
    small = measured(["true"])

    assert small.rss_mb < 20
    assert len(ours) == 200_000_000


def test_python_finds_bytecode_as_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    script = "import sys; sys.exit(sys.dont_write_bytecode or sys.pycache_prefix is None)"
    assert measured([sys.executable, "-c", script]).cpu_s > 0


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nnot today"):
        measured(["sh", "-c", "echo not today; exit 3"])


def test_what_is_broken_off_leaves_no_process_running(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = f"echo $$ > {told}.part; mv {told}.part {told}; exec sleep 300"
    threading.Thread(target=_ring_once_there, args=(told, threading.get_ident())).start()
    with pytest.raises(OutOfTime), no_longer_than(60):
        measured(["sh", "-c", script])

    assert _is_gone(int(told.read_text()))


def _ring_once_there(told: Path, thread: int) -> None:
    while not told.exists():
        time.sleep(0.01)
    signal.pthread_kill(thread, signal.SIGALRM)


def _is_gone(process: int) -> bool:
    """Tell whether a process that was killed has ended: it may take a moment."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_what_serves_ends_with_who_started_it(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    arguments = [str(tmp_path / "exports"), str(tmp_path / "ca.pem")]
    with serving("tools.bench.engine.export_server", *arguments) as (process, address):
        assert address.startswith("https://127.0.0.1:")
        assert process.stdin is not None
        process.stdin.close()

        assert process.wait(30) == 0
