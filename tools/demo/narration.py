"""What the demo prints: a heading per part, a line per step with its time, a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any


class FactBroken(Exception):
    """Something that the demo promises did not hold; the message says what was found."""


class Narrator:
    """Prints as the demo goes on; *started* is when it began."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._parts: list[tuple[str, float]] = []

    def part(self, title: str) -> None:
        """Begin a part."""
        self._parts.append((title, time.monotonic()))
        print(f"\n{title}", flush=True)

    def say(self, text: str) -> None:
        """Print lines that belong to the step before."""
        for line in text.rstrip().splitlines():
            print(f"      {line}", flush=True)

    def times(self) -> str:
        """Return as a table how long each part took; the last goes on until now."""
        ends = [began for _, began in self._parts[1:]] + [time.monotonic()]
        rows = [
            (title, f"{end - began:.0f}")
            for (title, began), end in zip(self._parts, ends, strict=True)
        ]
        return table([("Part", "Seconds"), *rows])

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print *title*, and then how long what is inside took or that it failed.

        On a terminal the first line makes way for the second.
        """
        began = time.monotonic()
        print(f"  … {title}", end="\r" if sys.stdout.isatty() else "\n", flush=True)
        with self._told(title):
            yield
        print(f"  ✓ {title} ({time.monotonic() - began:.1f} s)", flush=True)

    @contextmanager
    def _told(self, title: str) -> Iterator[None]:
        """Print of what fails inside that it did."""
        try:
            yield
        except BaseException:
            print(f"  ✗ {title}", flush=True)
            raise

    @contextmanager
    def meanwhile(self, title: str, step: Callable[[], None]) -> Iterator[None]:
        """Take *step* beside what is inside, and print behind that how long it took.

        Where what is inside fails nobody waits for the step.
        """
        print(f"  … {title}, beside what follows", flush=True)
        pool = ThreadPoolExecutor(1)
        try:
            running = pool.submit(_timed, step)
            yield
            with self._told(title):
                seconds = running.result()
            print(f"  ✓ {title} ({seconds:.1f} s)", flush=True)
        finally:
            pool.shutdown(wait=False)

    def together(self, steps: Mapping[str, Callable[[], Any]]) -> list[Any]:
        """Take *steps* side by side, print how long each took, and return what they came to.

        One that fails is told at once, and raised when the others have ended.
        """
        began = time.monotonic()
        for title in steps:
            print(f"  … {title}", flush=True)
        with ThreadPoolExecutor(len(steps)) as pool:
            running = {pool.submit(step): title for title, step in steps.items()}
            for done in as_completed(running):
                mark = "✓" if done.exception() is None else "✗"
                seconds = time.monotonic() - began
                print(f"  {mark} {running[done]} ({seconds:.1f} s)", flush=True)
        return [done.result() for done in running]

    def holds(self, title: str, complaints: Sequence[str]) -> None:
        """Print that a fact holds; raise FactBroken with what speaks against it."""
        if complaints:
            print(f"  ✗ {title}", flush=True)
            raise FactBroken(f"{title}: " + "; ".join(complaints[:10]))
        print(f"  ✓ {title}", flush=True)


def _timed(step: Callable[[], None]) -> float:
    """Take the step; return how many seconds it took."""
    began = time.monotonic()
    step()
    return time.monotonic() - began


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
