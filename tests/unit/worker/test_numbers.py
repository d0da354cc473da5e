"""Sequence numbers of the agent: rising, whatever happened to its process or its file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from vmbackup_core.clock import SystemClock
from vmbackup_worker.numbers import RESERVED, Numbers


class Clock(SystemClock):
    """A clock that stands."""

    @override
    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)


def test_numbers_rise_by_one(tmp_path: Path) -> None:
    numbers = Numbers(tmp_path / "numbers", Clock())
    first = numbers.next()

    assert [numbers.next() for _ in range(2 * RESERVED)] == list(
        range(first + 1, first + 1 + 2 * RESERVED)
    )


def test_after_a_crash_they_go_on_above(tmp_path: Path) -> None:
    crashed = Numbers(tmp_path / "numbers", Clock())
    last = max(crashed.next() for _ in range(RESERVED + 1))

    assert Numbers(tmp_path / "numbers", Clock()).next() > last


def test_after_the_file_was_lost_they_go_on_above_while_time_passes(tmp_path: Path) -> None:
    before = Numbers(tmp_path / "numbers", Clock()).next()
    (tmp_path / "numbers").unlink()

    assert Numbers(tmp_path / "numbers", SystemClock()).next() > before


def test_a_file_that_holds_no_number_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(b"")

    assert Numbers(tmp_path / "numbers", Clock()).next() > 1_000_000_000_000
