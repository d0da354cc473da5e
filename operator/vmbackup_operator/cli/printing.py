"""Answers as people and programs read them; a reader who goes away harms nothing."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import msgspec

from vmbackup_core.redaction import shown, shown_lines

#: Of a terminal that does not say how wide it is.
_USUAL_COLUMNS = 80
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Console:
    """Standard output and error; either may be None, closed at any moment, or full.

    Work goes on when its reader has gone away. What else keeps an answer from being written is in
    `lost`.
    """

    def __init__(self, out: TextIO | None, err: TextIO | None, program: str = "vmbackup") -> None:
        self.lost: OSError | None = None
        self._program = program
        self._out = _unbreakable(out)
        self._err = _unbreakable(err)

    def write(self, text: str) -> None:
        """Write *text*, which is our own, to standard output."""
        try:
            if self._out is None:
                raise OSError(errno.EBADF, "it is closed")
            self._out.write(text)
            self._out.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = self.lost or error
            _turn_away(self._out)

    def turn_away(self) -> None:
        """Have what else goes to standard output go nowhere, also what it still holds."""
        _turn_away(self._out)

    def write_line(self, text: str) -> None:
        """Write one line to standard output."""
        self.write(f"{shown(text)}\n")

    def write_table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write columns as wide as their widest cell."""
        lines = [[shown(cell) for cell in line] for line in (head, *rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        padded = (
            "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        )
        self.write("".join(f"{line.rstrip()}\n" for line in padded))

    def write_json(self, value: object) -> None:
        """Write *value* as indented JSON: nothing is taken out, and all is ASCII."""
        self.write(json.dumps(msgspec.to_builtins(value), indent=2) + "\n")

    def complain(self, text: str) -> None:
        """Write one line to standard error."""
        self._tell(f"{self._program}: {shown(text)}\n")

    def complain_at_length(self, text: str) -> None:
        """Write lines to standard error."""
        self._tell(f"{shown_lines(text)}\n")

    def show(self, text: str) -> None:
        """Write to standard error what is neither a line nor filtered: see ProgressLine."""
        self._tell(text)

    def is_watched(self) -> bool:
        """Tell whether standard error is a terminal."""
        return self._err is not None and self._err.isatty()

    def columns(self) -> int | None:
        """Return how wide the terminal is that standard output is, None where it is none."""
        try:
            if self._out is None or not self._out.isatty():
                return None
            return os.get_terminal_size(self._out.fileno()).columns or _USUAL_COLUMNS
        except (OSError, ValueError):  # it has been closed, or is no file
            return None

    def _tell(self, text: str) -> None:
        try:
            if self._err is not None:
                self._err.write(text)
                self._err.flush()
        except OSError:  # there is nobody else whom to tell
            _turn_away(self._err)


def standard_console(program: str = "vmbackup") -> Console:
    """Return what writes to the program's own streams, and complains as *program*."""
    return Console(sys.stdout, sys.stderr, program)


def _unbreakable(stream: TextIO | None) -> TextIO | None:
    """Return *stream*, which writes what it has no letters for as escapes."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _turn_away(stream: TextIO | None) -> None:
    """Have what else goes to *stream* go nowhere, also what it still holds at the program's end."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def size(count: int) -> str:
    """Return a number of bytes in the largest unit of which there is at least one."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - by definition
        amount /= 1024
        unit += 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def number_of(count: int, what: str) -> str:
    """Return *count* of *what*, in words: ``1 index``, ``3 indexes``."""
    plural = f"{what}es" if what.endswith("x") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"
