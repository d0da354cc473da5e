"""Answers as people and programs read them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import msgspec

from vmbackup_core.protocol.redaction import shown
from vmbackup_core.repository import Progress

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write columns as wide as their widest cell."""
    lines = [[shown(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("   ".join(cells).rstrip() + "\n")


def write_json(value: object) -> None:
    """Write *value* as indented JSON."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    # For programs: nothing is taken out, but what acts on a terminal is written as an escape.
    sys.stdout.write("".join(_escaped(one) for one in text) + "\n")


def _escaped(one: str) -> str:
    if one == "\n" or one.isprintable():
        return one
    return json.dumps(one)[1:-1]


def write_line(text: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{shown(text)}\n")


def write_complaint(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"vmbackup: {shown(text)}\n")


def size(count: int) -> str:
    """Return a number of bytes in the largest unit of which there is at least one."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - by definition
        amount /= 1024
        unit += 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


class ProgressLine:
    """Shows on a terminal how far a transfer has come; elsewhere it is silent."""

    def __init__(self, what: str) -> None:
        self._what = shown(what)
        self._shown = 0.0
        self._on = sys.stderr.isatty()

    def show(self, progress: Progress) -> None:
        """Replace what was shown, at most a few times a second."""
        now = time.monotonic()
        if not self._on or now - self._shown < 0.2:  # noqa: PLR2004 - as often as eyes follow
            return
        self._shown = now
        done, total = size(progress.done_bytes), size(progress.total_bytes)
        sys.stderr.write(f"\r{self._what}: {done} of {total}\x1b[K")
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave nothing behind."""
        if self._on and self._shown:
            sys.stderr.write("\r\x1b[K")
