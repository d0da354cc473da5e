"""Page lists and the table of extents that they become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import TransientError
from vmbackup_core.extents import Extent, merged, total_bytes
from vmbackup_worker.page_ranges import PAGE_LIST_RANGES, ExtentTable, PageList, parse_page_list

DISK = Extent(0, 4096)


def page_list(*ranges: tuple[int, int], marker: str = "", cleared: str = "") -> bytes:
    body = "".join(f"<PageRange><Start>{a}</Start><End>{b}</End></PageRange>" for a, b in ranges)
    more = f"<NextMarker>{marker}</NextMarker>"
    return f"<?xml version='1.0'?><PageList>{body}{cleared}{more}</PageList>".encode()


def table_of(*extents: Extent) -> ExtentTable:
    table = ExtentTable()
    for extent in extents:
        table.add(extent)
    return table


extents = st.builds(Extent, st.integers(0, 5_000), st.integers(1, 300))


def test_the_end_of_a_page_range_is_inclusive() -> None:
    assert parse_page_list(page_list((0, 511), (1024, 1535)), DISK).ranges == [
        Extent(0, 512),
        Extent(1024, 512),
    ]


def test_what_lies_behind_the_disk_is_left_out() -> None:
    listed = parse_page_list(page_list((3584, 4607), (4608, 5119)), DISK)

    assert listed.ranges == [Extent(3584, 512)]


def test_cleared_ranges_between_others_are_told_apart() -> None:
    cleared = "<ClearRange><Start>512</Start><End>1023</End></ClearRange>"
    listed = parse_page_list(page_list((0, 511), cleared=cleared), DISK)

    assert (listed.ranges, listed.cleared) == ([Extent(0, 512)], [Extent(512, 512)])


def test_a_marker_says_that_there_is_more() -> None:
    assert parse_page_list(page_list(marker="2!abc"), DISK).next_marker == "2!abc"
    assert parse_page_list(page_list(), DISK).next_marker is None


@pytest.mark.parametrize("data", [b"", b"<html>no", b"<PageList><PageRange/></PageList>"])
def test_an_answer_that_is_no_page_list_may_pass(data: bytes) -> None:
    with pytest.raises(TransientError):
        parse_page_list(data, DISK)


def test_a_full_page_list_without_a_marker_may_be_cut() -> None:
    ranges = [Extent(2 * number, 1) for number in range(PAGE_LIST_RANGES)]

    assert PageList(ranges, [], None).may_be_cut
    assert not PageList(ranges, [], "more").may_be_cut
    assert not PageList(ranges[1:], [], None).may_be_cut


@given(st.lists(extents))
def test_a_table_joins_what_touches_and_counts_each_byte_once(found: list[Extent]) -> None:
    table = table_of(*sorted(found))

    assert list(table) == list(merged(found))
    assert table.total_bytes == total_bytes(merged(found))
    assert len(table) == len(list(merged(found)))


@given(st.lists(extents), st.integers(0, 6_000), st.integers(1, 2_000))
def test_what_is_within_a_window_is_what_a_look_at_every_byte_finds(
    found: list[Extent], offset: int, length: int
) -> None:
    within = table_of(*sorted(found)).within(offset, length)

    covered = {byte for extent in found for byte in range(extent.offset, extent.end)}
    assert [byte for extent in within for byte in range(extent.offset, extent.end)] == sorted(
        covered & set(range(offset, offset + length))
    )


def test_extents_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="after"):
        table_of(Extent(512, 512), Extent(0, 512))


@pytest.mark.parametrize(
    "answer",
    [
        b"<html><body>welcome to the proxy</body></html>",
        b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>",
        b"<Error><Code>ServerBusy</Code></Error>",
    ],
)
def test_an_answer_that_is_no_page_list_is_not_an_empty_disk(answer: bytes) -> None:
    with pytest.raises(TransientError, match="cannot be read"):
        parse_page_list(answer, DISK)
