"""An end to what takes too long, wherever it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class OutOfTime(Exception):
    """What is being done is given up: its time is over."""


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Raise OutOfTime within the block once *seconds* have passed; for the main thread."""

    def ring(_number: int, _frame: object) -> None:
        raise OutOfTime(f"given up after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
