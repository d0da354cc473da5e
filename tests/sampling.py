"""How much of what is random or exhaustive a run tries: all of it, or a sample for `make unit`.

Whoever goes through many schedules, calls or pairs takes them from `some_of`. The one switch is
hypothesis' profile, which says as well how many cases of each property are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import hypothesis

#: The profile of `make unit`.
SAMPLE = "sample"
#: How many cases of each kind are in a sample.
CASES = 4

T = TypeVar("T")


def some_of(cases: Iterable[T]) -> list[T]:
    """Return all *cases*; in a run of samples the first, the last, and some evenly between."""
    every = list(cases)
    if hypothesis.settings.get_current_profile_name() != SAMPLE:
        return every
    return sample_of(every)


def sample_of(cases: list[T]) -> list[T]:
    """Return the first and the last of *cases*, and some evenly between, in their order."""
    last = len(cases) - 1
    chosen = {last * number // (CASES - 1) for number in range(CASES)} if cases else ()
    return [cases[index] for index in sorted(chosen)]
