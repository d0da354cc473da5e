"""How much of what is random, exhaustive or large a run tries: all, or a sample for `make unit`.

Whoever goes through many schedules, calls or pairs takes them from `some_of`; what is about one
large thing is marked `at_length` and not in a sample. The one switch is hypothesis' profile, which
says as well how many cases of each property are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import hypothesis
import pytest

#: The profile of `make unit`.
SAMPLE = "sample"
#: How many cases of each kind are in a sample.
CASES = 4

T = TypeVar("T")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked `at_length` out of a run of samples."""
    if config.getoption("--hypothesis-profile") != SAMPLE:
        return
    left = [each for each in items if each.get_closest_marker("at_length") is not None]
    items[:] = [each for each in items if each not in left]
    config.hook.pytest_deselected(items=left)


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
