"""Runs, retries and paused leaders that commit one disk: every call to the stores in any order.

With the usual 1,000 cases these are 25,000 schedules: SCHEDULES of each case for each pair.
"""

from __future__ import annotations

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.unit.repository.control.backup.commit_pairs import PAIRS, play

SCHEDULES = 5


@pytest.mark.parametrize("pair", PAIRS)
@given(first=st.integers(0, 2**48), begun=st.booleans())
def test_each_run_has_one_commit_that_comes_back_whoever_was_faster(
    pair: str, *, first: int, begun: bool
) -> None:
    for seed in range(first, first + SCHEDULES):
        note(f"play({pair!r}, {seed}, begun={begun})")
        assert play(pair, seed, begun=begun) == []
