"""Prune, expire and a change of keys beside all others: every call to the stores in any order."""

from __future__ import annotations

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.unit.repository.opened.upkeep_pairs import PAIRS, play


@pytest.mark.parametrize("pair", PAIRS)
@given(seed=st.integers(0, 2**48))
def test_whoever_is_faster_nothing_that_counts_is_missed(pair: str, seed: int) -> None:
    note(f"play({pair!r}, {seed})")
    assert play(pair, seed) == []
