"""Byte ranges: merging, growing to blocks, and that nothing is lost or invented on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.extents import Extent, aligned, merged, total_bytes

extents = st.lists(st.builds(Extent, st.integers(0, 400), st.integers(1, 60)), max_size=12)


def bytes_in(ranges: list[Extent]) -> set[int]:
    return {offset for each in ranges for offset in range(each.offset, each.end)}


@given(extents)
def test_merged_extents_cover_the_same_bytes(ranges: list[Extent]) -> None:
    assert bytes_in(list(merged(ranges))) == bytes_in(ranges)


@given(extents)
def test_merged_extents_are_in_order_and_never_touch(ranges: list[Extent]) -> None:
    joined = list(merged(ranges))

    assert all(left.end < right.offset for left, right in pairwise(joined))
    assert total_bytes(joined) == len(bytes_in(ranges))


@given(extents, st.integers(1, 64), st.integers(1, 500))
def test_aligned_extents_are_the_touched_blocks_within_the_disk(
    ranges: list[Extent], block_bytes: int, disk_bytes: int
) -> None:
    blocks = {offset // block_bytes for offset in bytes_in(ranges)}

    wanted = {offset for offset in range(disk_bytes) if offset // block_bytes in blocks}
    assert bytes_in(list(aligned(ranges, block_bytes, disk_bytes))) == wanted


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, 0), (3, -2)])
def test_an_extent_is_never_empty_or_before_the_disk(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match=f"extent at {offset}"):
        Extent(offset, length)
