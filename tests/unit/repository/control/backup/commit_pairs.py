"""Who may commit one disk beside whom, and what each told them is worth afterwards; section 35."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import MappingProxyType

from tests.unit.repository.control.commit_bench import (
    CommitBench,
    Told,
    back_up,
    commit_written,
)
from tests.unit.repository.turns import Work, interleave

#: What the works of a pair are, on a bench.
Pair = Callable[[CommitBench, Told], list[Work]]


def skipping(bench: CommitBench, told: Told) -> list[Work]:
    """Return two runs that both find the newest manifest damaged, and begin with a skip."""
    lost = bench.committed(9)
    bench.damage_manifest(lost)
    bench.bases.update({2: None, 3: None})
    return [back_up(bench, 2, told), back_up(bench, 3, told)]


PAIRS: MappingProxyType[str, Pair] = MappingProxyType(
    {
        "B, B": lambda bench, told: [back_up(bench, 2, told), back_up(bench, 3, told)],
        "B, R": lambda bench, told: [
            back_up(bench, 2, told),
            back_up(bench, 2, told),
            back_up(bench, 3, told),
        ],
        "B, Z": lambda bench, told: [
            *commit_written(bench, 2, told),
            back_up(bench, 3, told),
        ],
        "B, Z, a skip first": skipping,
        "R, R": lambda bench, told: [back_up(bench, 2, told), back_up(bench, 2, told)],
    }
)


def play(pair: str, seed: int, *, begun: bool, bench: CommitBench | None = None) -> list[str]:
    """Let a pair take turns as *seed* has them, and return what is wrong afterwards."""
    drawn = random.Random(seed)  # noqa: S311 - what is drawn is no secret
    bench = (bench or CommitBench()).begun()
    if begun:
        bench.committed(1)
    told: Told = {}
    works = PAIRS[pair](bench, told)
    ended = interleave(bench.places, works, chooser(drawn))
    raised = [repr(each) for each in ended if each is not None]
    return raised or bench.complaints(told)


def chooser(drawn: random.Random) -> Callable[[int], int]:
    """Stay with one for some calls, or change at each: short and long turns come up alike."""
    stay = drawn.choice((0.0, 0.5, 0.9, 0.98))
    last = 0

    def choose(among: int) -> int:
        nonlocal last
        if drawn.random() >= stay:
            last = drawn.randrange(among)
        return last % among

    return choose
