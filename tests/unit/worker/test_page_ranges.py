"""What one answer of Get Page Ranges says, and what is no such answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmbackup_core.extents import Extent
from vmbackup_worker.page_ranges import (
    JOIN_GAP_BYTES,
    PAGE_LIST_RANGES,
    PageList,
    UnreadableList,
    parse_page_list,
)

DISK = Extent(0, 4096)
EXPORT_BYTES = 4096 + 512


def page_list(*ranges: tuple[int, int], marker: str = "", cleared: str = "") -> bytes:
    body = "".join(f"<PageRange><Start>{a}</Start><End>{b}</End></PageRange>" for a, b in ranges)
    more = f"<NextMarker>{marker}</NextMarker>" if marker else "<NextMarker />"
    return f"<?xml version='1.0'?><PageList>{body}{cleared}{more}</PageList>".encode()


def spread(data: bytes) -> bytes:
    """Return the same document as no service writes it, but may."""
    return data.replace(b"><", b">\n <")


def listed(data: bytes, window: Extent = DISK) -> PageList:
    return parse_page_list(data, window, EXPORT_BYTES)


def extents_of(found: PageList) -> list[Extent]:
    return list(found.extents)


@pytest.fixture(params=[bytes, spread], ids=["as Azure writes it", "written otherwise"])
def written(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    how: Callable[[bytes], bytes] = request.param
    return how


def test_the_end_of_a_page_range_is_inclusive(written: Callable[[bytes], bytes]) -> None:
    found = listed(written(page_list((0, 511), (1024, 1535))))

    assert extents_of(found) == [Extent(0, 1536)]
    assert (found.ranges, found.listed_bytes) == (2, 1024)


def test_ranges_are_joined_over_gaps_below_256_kib() -> None:
    window, gap = Extent(0, 2**40), JOIN_GAP_BYTES
    ranges = page_list((0, 511), (511 + gap, 1023 + gap), (1024 + 2 * gap, 1535 + 2 * gap))

    assert JOIN_GAP_BYTES == 256 * 1024
    assert extents_of(parse_page_list(ranges, window, 2**40)) == [
        Extent(0, 1024 + gap),
        Extent(1024 + 2 * gap, 512),
    ]


def test_what_lies_behind_the_disk_is_left_out(written: Callable[[bytes], bytes]) -> None:
    found = listed(written(page_list((3584, 4607))))

    assert extents_of(found) == [Extent(3584, 512)]


def test_a_list_is_cut_to_the_window_that_was_asked_for(
    written: Callable[[bytes], bytes],
) -> None:
    ranges = page_list((0, 511), (1024, 2047), (2560, 4095))

    found = listed(written(ranges), Extent(1536, 1536))
    assert extents_of(found) == [Extent(1536, 1536)]
    assert found.listed_bytes == 512 + 512


def test_cleared_ranges_between_others_count_as_well() -> None:
    cleared = "<ClearRange><Start>512</Start><End>1023</End></ClearRange>"
    found = listed(page_list((0, 511), cleared=cleared))

    assert extents_of(found) == [Extent(0, 1024)]


def test_a_marker_says_that_there_is_more(written: Callable[[bytes], bytes]) -> None:
    found = listed(written(page_list((512, 1023), marker="2!abc=")))

    assert (found.next_marker, found.reach) == ("2!abc=", 1024)
    nothing = listed(written(page_list(marker="2!abc=")))
    assert (nothing.next_marker, nothing.reach) == ("2!abc=", 0)
    last = listed(written(page_list((512, 1023))))
    assert (last.next_marker, last.reach) == (None, DISK.end)


def test_a_full_page_list_without_a_marker_may_be_cut() -> None:
    window, export = Extent(0, 2**40), 2**40 + 512
    full = page_list(*((1024 * n, 1024 * n + 511) for n in range(PAGE_LIST_RANGES)))
    found = parse_page_list(full, window, export)

    assert found.reach == 1024 * (PAGE_LIST_RANGES - 1) + 512
    less = page_list(*((1024 * n, 1024 * n + 511) for n in range(PAGE_LIST_RANGES - 1)))
    assert parse_page_list(less, window, export).reach == window.end


@pytest.mark.parametrize(
    "ranges",
    [
        [(1024, 1535), (0, 511)],
        [(0, 1023), (512, 2047)],
        [(0, 1023), (1023, 2047)],
        [(0, 511), (0, 511)],
        [(511, 0)],
        [(0, 2047), (512, 1023)],
    ],
    ids=["out of order", "overlapping", "by one byte", "twice", "backwards", "within another"],
)
def test_ranges_that_do_not_rise_are_told_in_words(
    written: Callable[[bytes], bytes], ranges: list[tuple[int, int]]
) -> None:
    with pytest.raises(UnreadableList, match="out of order or overlap"):
        listed(written(page_list(*ranges)))


@pytest.mark.parametrize("last", [EXPORT_BYTES + 511, 10**12, 2**64, 10**30])
def test_a_range_behind_the_export_is_told_in_words(
    written: Callable[[bytes], bytes], last: int
) -> None:
    with pytest.raises(UnreadableList, match=f"up to byte {last:,} of 4,608"):
        listed(written(page_list((0, last))))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>no",
        b"<html><body>welcome to the proxy</body></html>",
        b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>",
        b"<Error><Code>ServerBusy</Code></Error>",
        b"<PageList><PageRange/></PageList>",
        b"<PageList><PageRange><Start>-512</Start><End>511</End></PageRange></PageList>",
        b"<PageList><PageRange><Start></Start><End>511</End></PageRange></PageList>",
        b"<PageList><PageRange><Start>0</Start><End>5_11</End></PageRange></PageList>",
        b'<PageList xmlns="urn:x"><PageRange><Start>0</Start><End>511</End></PageRange></PageList>',
        page_list((0, 511))[:-8],
        page_list((0, 511)).replace(b"PageList", b"List"),
    ],
)
def test_an_answer_that_is_no_page_list_is_not_an_empty_disk(data: bytes) -> None:
    with pytest.raises(UnreadableList, match="cannot be read"):
        listed(data)


@pytest.mark.parametrize("how", [bytes, spread], ids=["as Azure writes it", "written otherwise"])
def test_what_was_cleared_is_told_apart(how: Callable[[bytes], bytes]) -> None:
    body = b"".join(
        b"<%b><Start>%d</Start><End>%d</End></%b>" % (kind, start, end, kind)
        for kind, start, end in [
            (b"PageRange", 0, 511),
            (b"ClearRange", 512, 1535),
            (b"ClearRange", 1536, 2047),
            (b"PageRange", 2560, 3071),
            (b"ClearRange", 3584, 4607),
        ]
    )
    data = how(b"<PageList>" + body + b"<NextMarker /></PageList>")
    found = listed(data, Extent(1024, 3072))

    assert list(found.cleared) == [Extent(1024, 1024), Extent(3584, 512)]
    assert extents_of(found) == [Extent(1024, 3072)]
    assert found.listed_bytes == 1024 + 512 + 512


@pytest.mark.parametrize(
    "odd",
    [
        b"<PageRange><Start>0</Start><End>511</End></ClearRange>",
        b"<PageRange><Start>0</Start><End>511</End></PageRange>7<ClearRange>",
        b"<ClearRange><Start>0</Start><PageRange><Start>0</Start><End>9</End></PageRange>",
        b"<ClearRange><Start>0</Start></ClearRange>",
        b"<ClearRange><Start></Start><End>511</End></ClearRange>",
        b"<ClearRange><Start>-1</Start><End>511</End></ClearRange>",
    ],
)
def test_cleared_ranges_that_are_none_are_refused(odd: bytes) -> None:
    with pytest.raises(UnreadableList):
        listed(b"<PageList>" + odd + b"</PageList>")


def test_text_is_no_range_however_it_is_written() -> None:
    ranges = page_list((0, 511)).replace(b"</PageRange>", b"</PageRange>y1024,1535YRange>")

    assert listed(ranges).ranges == 1
    assert listed(page_list().replace(b"<PageList>", b"<PageList>y0,511Y")).ranges == 0


def test_bytes_between_ranges_belong_to_no_number() -> None:
    ranges = page_list((0, 511), (1024, 1535)).replace(
        b"><PageRange><Start>1", b">7<PageRange><Start>1"
    )

    assert listed(ranges).listed_bytes == 1024
