"""Extents in two columns: the same bytes as an object for each would cover."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.extents import Extent, Extents, merged, total_bytes

extents = st.lists(st.builds(Extent, st.integers(0, 5_000), st.integers(1, 300)))


def joined_by_hand(found: list[Extent], gap: int) -> list[Extent]:
    made: list[Extent] = []
    for each in merged(found):
        if made and each.offset - made[-1].end < gap:
            made[-1] = Extent(made[-1].offset, each.end - made[-1].offset)
        else:
            made.append(each)
    return made


@given(extents, st.integers(0, 500))
def test_extents_are_joined_over_gaps_below_the_one_named_and_each_byte_is_counted_once(
    found: list[Extent], gap: int
) -> None:
    table = Extents(sorted(found), join_gap=gap)

    assert list(table) == joined_by_hand(found, gap)
    assert table.total_bytes == total_bytes(joined_by_hand(found, gap))
    assert len(table) == len(joined_by_hand(found, gap))
    assert table.end == max((each.end for each in found), default=0)


@given(extents, st.integers(0, 500), st.integers(0, 30))
def test_how_they_come_in_changes_nothing(found: list[Extent], gap: int, split: int) -> None:
    rows = sorted(found)
    table = Extents(rows[:split], join_gap=gap)
    for each in rows[split : split + 1]:
        table.add(each)
    late = rows[split + 1 :]
    table.extend(array("Q", [e.offset for e in late]), array("Q", [e.end for e in late]))

    assert list(table) == joined_by_hand(found, gap)


@given(extents, st.integers(0, 500), st.integers(0, 30))
def test_whole_tables_are_appended_as_their_extents_are(
    found: list[Extent], gap: int, split: int
) -> None:
    rows = sorted(found)
    table = Extents(rows[:split], join_gap=gap)
    table.append(Extents(rows[split:], join_gap=gap))

    assert list(table) == joined_by_hand(found, gap)


@given(extents, st.integers(0, 6_000), st.integers(1, 2_000))
def test_what_is_within_a_window_is_what_a_look_at_every_byte_finds(
    found: list[Extent], offset: int, length: int
) -> None:
    table = Extents(sorted(found))

    covered = {byte for extent in found for byte in range(extent.offset, extent.end)}
    wanted = sorted(covered & set(range(offset, offset + length)))
    for part in (table.within(offset, length), table.cut(offset, length)):
        assert [byte for each in part for byte in range(each.offset, each.end)] == wanted


def test_more_than_are_worked_on_at_once_are_joined_and_grown_as_one() -> None:
    rows = [Extent(1_024 * number, 512) for number in range(40_000)]

    assert list(Extents(rows)) == rows
    assert list(Extents(rows, join_gap=513)) == [Extent(0, 40_000 * 1_024 - 512)]
    assert list(Extents(rows).grown(1_024, 39_999 * 1_024 + 100)) == [
        Extent(0, 39_999 * 1_024 + 100)
    ]


def test_a_table_that_begins_within_the_one_before_is_joined_as_far_as_that_reaches() -> None:
    table = Extents([Extent(0, 300)])
    table.append(Extents([Extent(10, 10), Extent(200, 10), Extent(400, 10)]))

    assert list(table) == [Extent(0, 300), Extent(400, 10)]


def test_extents_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="after"):
        Extents([Extent(512, 512)]).add(Extent(0, 512))


@given(extents, st.integers(0, 6_000))
def test_gaps_are_what_is_not_covered(found: list[Extent], disk_bytes: int) -> None:
    table = Extents(sorted(found))

    covered = {byte for extent in found for byte in range(extent.offset, extent.end)}
    gaps = [byte for each in table.gaps(disk_bytes) for byte in range(each.offset, each.end)]
    assert gaps == sorted(set(range(disk_bytes)) - covered)


@given(extents, st.integers(1, 400))
def test_those_of_a_length_are_kept(found: list[Extent], length: int) -> None:
    table = Extents(sorted(found))

    assert list(table.of_length(length)) == [each for each in table if each.length >= length]
