"""Objects of a repository damaged at random: check names them, and just what restores miss.

Ids are drawn anew each time. A seed says which object it is by its kind and by the order in which
the objects were put, so that it damages the same one again.
"""

from __future__ import annotations

from functools import cache

from hypothesis import given, note
from hypothesis import strategies as st

from tests.unit.repository.control.check_bench import Whole, filled, little
from tests.unit.repository.control.damage_drawn import (
    DAMAGES,
    KINDS,
    check_is_told,
    damages,
)
from tests.unit.repository.control.log_bench import MemoryHeads
from tests.unit.repository.data.samples import seeded

#: How many times each seed damages the repository: with a thousand seeds that is 20,000.
TIMES = 20


@cache
def repositories() -> tuple[tuple[Whole, MemoryHeads], ...]:
    made = []
    for whole in (*[little()] * 9, filled()):
        heads = MemoryHeads()
        whole.log(heads).read()
        made.append((whole, heads))
    return tuple(made)


@given(st.integers(0, 2**40))
def test_check_tells_just_what_random_damages_cost(seed: int) -> None:
    draw = seeded(seed)
    for time in range(TIMES):
        undamaged, heads = draw.choice(repositories())
        whole = undamaged.copy()
        drawn = [
            (draw.choice(list(KINDS)), draw.randrange(1000), draw.choice(DAMAGES))
            for _ in range(draw.choice((1, 1, 1, 2, 3)))
        ]
        damaged = damages(whole, drawn, draw)
        note(f"seed {seed}, time {time}: {damaged}")

        check_is_told(whole, damaged, heads)
