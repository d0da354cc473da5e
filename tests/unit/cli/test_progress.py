"""How far something has come: once a second on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import errno
import io
import os
import pty

import pytest
from typing_extensions import override

from vmbackup_core.repository.transfer import Progress
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.progress import ProgressLine, counted, duration


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def told(err: io.StringIO, *, quiet: bool = False, seconds: int = 25) -> str:
    """Return what was told in *seconds*, of four pieces in each of them."""
    clock = Clock()
    with ProgressLine("os", Console(None, err), quiet=quiet, monotonic_s=clock) as line:
        for done in range(4 * seconds):
            clock.seconds += 0.25
            line.show(Progress(4 * seconds << 20, (done + 1) << 20))
        return err.getvalue()


def test_elsewhere_a_line_every_ten_seconds() -> None:
    assert told(io.StringIO()) == (
        "vmbackup: os: 40.0 MiB of 100.0 MiB, 4.0 MiB/s, 15 s left\n"
        "vmbackup: os: 80.0 MiB of 100.0 MiB, 4.0 MiB/s, 5 s left\n"
    )


def test_what_is_done_within_ten_seconds_is_not_told_of_elsewhere() -> None:
    assert told(io.StringIO(), seconds=9) == ""


def test_on_a_terminal_one_line_that_changes_every_second_and_goes() -> None:
    terminal = Terminal()

    shown = told(terminal, seconds=3)

    assert shown.split("\r") == [
        "",
        "os: 4.0 MiB of 12.0 MiB, 4.0 MiB/s, 2 s left\x1b[K",
        "os: 8.0 MiB of 12.0 MiB, 4.0 MiB/s, 1 s left\x1b[K",
        "os: 12.0 MiB of 12.0 MiB, 4.0 MiB/s, 0 s left\x1b[K",
    ]
    assert terminal.getvalue() == f"{shown}\r\x1b[K"


def test_the_pace_is_that_of_the_last_tellings() -> None:
    terminal, clock = Terminal(), Clock()
    line = ProgressLine("os", Console(None, terminal), quiet=False, monotonic_s=clock)

    for second in range(1, 21):
        clock.seconds += 1
        line.show(Progress(100 << 20, (min(second, 5) << 20)))
    clock.seconds += 1
    line.show(Progress(100 << 20, 15 << 20))

    shown = terminal.getvalue().split("\r")
    assert shown[5] == "os: 5.0 MiB of 100.0 MiB, 1.0 MiB/s, 1 min 35 s left\x1b[K"
    assert shown[20] == "os: 5.0 MiB of 100.0 MiB\x1b[K"  # nothing has come for ten seconds
    assert shown[21] == "os: 15.0 MiB of 100.0 MiB, 1.0 MiB/s, 1 min 25 s left\x1b[K"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.7, "1 min 0 s"), (125, "2 min 5 s"), (7850, "2 h 10 min")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("err", [Terminal(), io.StringIO()])
def test_nothing_is_told_where_it_is_quiet(err: io.StringIO) -> None:
    assert told(err, quiet=True) == ""
    assert err.getvalue() == ""


def test_a_line_is_never_wider_than_the_terminal() -> None:
    terminal, clock = Terminal(), Clock()
    line = ProgressLine("d" * 300, Console(None, terminal), quiet=False, monotonic_s=clock)
    clock.seconds += 1

    line.show(Progress(2, 1))

    assert len(terminal.getvalue().removeprefix("\r").removesuffix("\x1b[K")) <= 300 - 1
    assert "of" not in terminal.getvalue()


def test_counting_tells_how_many() -> None:
    err, clock = io.StringIO(), Clock()
    line = ProgressLine("list", Console(None, err), quiet=False, monotonic_s=clock)

    with counted(line, "recovery point") as one_more:
        for _ in range(3):
            clock.seconds += 5
            one_more()

    assert err.getvalue() == "vmbackup: list: 2 recovery points\n"


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_nobody_to_tell_ends_nothing(number: int) -> None:
    class Gone(io.StringIO):
        @override
        def write(self, _text: str) -> int:
            raise OSError(number, os.strerror(number))

    console = Console(Gone(), Gone())
    console.complain("x")
    console.write("x")

    assert (console.lost is None) == (number == errno.EPIPE)


def test_a_real_terminal_is_known_as_one() -> None:
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as terminal:
        assert Console(None, terminal).is_watched()
    os.close(reading)
