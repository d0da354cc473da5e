"""What a whole process takes is its own: not its parent's memory, and not that of who measures."""

from __future__ import annotations

import sys

import pytest

from tools.bench.engine.processes import measured

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


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nnot today"):
        measured(["sh", "-c", "echo not today; exit 3"])
