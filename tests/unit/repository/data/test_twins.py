"""Rows that are there twice are found, and it takes little memory to know that none is."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.repository.data.twins import has_twin


@given(st.lists(st.binary(min_size=2, max_size=2), max_size=300))
def test_a_twin_is_found_wherever_it_is(rows: list[bytes]) -> None:
    assert has_twin(b"".join(rows), 2) == (len(set(rows)) < len(rows))


@pytest.mark.at_length
def test_a_hundred_thousand_rows_take_a_part_of_their_own_size() -> None:
    rows = bytearray(os.urandom(40 * 100_000))
    tracemalloc.start()

    assert not has_twin(bytes(rows), 40)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows[-40:] = rows[:40]

    assert most < 2 * len(rows) + (1 << 20)  # the rows themselves are once of it
    assert has_twin(bytes(rows), 40)
