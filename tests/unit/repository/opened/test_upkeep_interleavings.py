"""Prune, expire and a change of keys beside all others, interleaved at every call to the stores.

`tests/soak/test_upkeep_interleaved.py` draws many more of the same.
"""

from __future__ import annotations

import pytest

from tests.unit.repository.opened.upkeep_pairs import PAIRS, play

SCHEDULES = 4


@pytest.mark.parametrize("pair", PAIRS)
def test_whoever_is_faster_nothing_that_counts_is_missed(pair: str) -> None:
    for seed in range(SCHEDULES):
        assert play(pair, seed) == [], f"seed {seed}"
