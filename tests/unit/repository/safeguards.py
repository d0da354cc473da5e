"""Schedules that need a safeguard, each run with it and without it; section 34 of the page.

Whatever removes a safeguard is a part of a suite of its own: a subclass, or a store that shows
something else. A schedule returns what a user misses when it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import pytest

S = TypeVar("S")

#: Stands for the safeguard that is removed where none is.
NONE: Final = ""


def with_and_without(
    schedules: Sequence[tuple[str, Callable[[S], list[str]]]],
) -> pytest.MarkDecorator:
    """Give a test *removed* and *schedule* of each row, and whether something is lost then.

    The test says `assert is_seen(schedule(Scene(removed)), is_lost=is_lost)`.
    """
    cases = [
        pytest.param(removed, schedule, is_lost, id=f"{of}, {schedule.__name__}, {told}")
        for of, schedule in schedules
        for removed, is_lost, told in ((NONE, False, "there"), (of, True, "removed"))
    ]
    return pytest.mark.parametrize(("removed", "schedule", "is_lost"), cases)


def is_seen(lost: Sequence[str], *, is_lost: bool) -> bool:
    """Tell whether *lost* names something just where something has to be lost."""
    return bool(lost) is is_lost
