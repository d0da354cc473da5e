"""Work in steps: whoever has it done may let others have their turn between two of them.

A step takes parts of a second, however much there is to do. Between steps no lock is held, and
nothing is kept anywhere but in memory.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]


def take_all(steps: Steps[T]) -> T:
    """Take all of *steps* at once, and return what they come to."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
