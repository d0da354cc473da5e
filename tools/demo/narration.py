"""What the demo prints: a heading per part, a line per step with its time, a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class FactBroken(Exception):
    """Something that the demo promises did not hold; the message says what was found."""


class Narrator:
    """Prints as the demo goes on; *started* is when it began."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def part(self, title: str) -> None:
        """Begin a part."""
        print(f"\n{title}", flush=True)

    def say(self, text: str) -> None:
        """Print lines that belong to the step before."""
        for line in text.rstrip().splitlines():
            print(f"      {line}", flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print *title*, and then how long what is inside took or that it failed.

        On a terminal the first line makes way for the second.
        """
        began = time.monotonic()
        print(f"  … {title}", end="\r" if sys.stdout.isatty() else "\n", flush=True)
        try:
            yield
        except BaseException:
            print(f"  ✗ {title}", flush=True)
            raise
        print(f"  ✓ {title} ({time.monotonic() - began:.1f} s)", flush=True)

    def holds(self, title: str, complaints: Sequence[str]) -> None:
        """Print that a fact holds; raise FactBroken with what speaks against it."""
        if complaints:
            print(f"  ✗ {title}", flush=True)
            raise FactBroken(f"{title}: " + "; ".join(complaints[:10]))
        print(f"  ✓ {title}", flush=True)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* in columns, the first row as heading; all but the first to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def people_bytes(count: int) -> str:
    """Return a number of bytes as people read it, ``1.2 GiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":  # noqa: PLR2004 - the step between the units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError(count)
