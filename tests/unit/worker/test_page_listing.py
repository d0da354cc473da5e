"""Listing a disk: every range once, whatever limits, markers and patience the service has."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.export_host import ExportHost, ListAsked, Refused
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.extents import Extent, Extents
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import Renewable, Stopped
from vmbackup_worker.page_blob import ExportPool
from vmbackup_worker.page_listing import (
    LISTS_AT_ONCE,
    SMALLEST_WINDOW_BYTES,
    Listed,
    TimedOut,
    list_pages,
)
from vmbackup_worker.page_ranges import JOIN_GAP_BYTES, PageList
from vmbackup_worker.source import Export

MIB = 1024 * 1024
GIB = 1024 * MIB


class Service:
    """Answers page lists of *extents*, at most *limit* ranges at a time."""

    def __init__(self, extents: list[Extent], limit: int = 10_000) -> None:
        self.extents = Extents(extents)
        self.limit = limit
        self.asked: list[tuple[Extent, str | None]] = []
        self.lock = threading.Lock()

    def ask(self, window: Extent, marker: str | None) -> PageList:
        with self.lock:
            self.asked.append((window, marker))
        found = list(self.extents.within(window.offset, window.length))
        shown, more = found[: self.limit], len(found) > self.limit
        return PageList(
            Extents(shown, join_gap=JOIN_GAP_BYTES),
            sum(each.length for each in shown),
            len(shown),
            shown[-1].end if more else window.end,
            "more" if more else None,
        )


def ruled(count: int, every: int, length: int = 512) -> list[Extent]:
    return [Extent(every * number, length) for number in range(count)]


def test_a_disk_of_few_ranges_is_asked_for_once() -> None:
    service = Service(ruled(10_000, MIB))

    listed = list_pages("disk", 32 * 1024 * GIB, service.ask)
    assert list(listed.extents) == list(service.extents)
    assert len(service.asked) == 1


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 3)), max_size=40),
    st.integers(1, 7),
)
def test_no_range_is_lost_or_invented_whatever_the_limit(
    found: list[tuple[int, int]], limit: int
) -> None:
    disk_bytes = 201 * MIB
    extents = sorted(Extent(at * MIB, length * MIB // 3 // 512 * 512) for at, length in found)
    service = Service(extents, limit)

    listed = list_pages("disk", disk_bytes, service.ask)
    assert list(listed.extents) == list(Extents(extents, join_gap=JOIN_GAP_BYTES))
    assert listed.listed_bytes == service.extents.total_bytes


def test_long_lists_are_asked_for_side_by_side() -> None:
    service, together = Service(ruled(4_000, MIB), limit=100), threading.Barrier(LISTS_AT_ONCE)

    def ask(window: Extent, marker: str | None) -> PageList:
        answer = service.ask(window, marker)
        if 1 < len(service.asked) <= 1 + LISTS_AT_ONCE:
            together.wait(30)  # breaks where they come one after another
        return answer

    listed = list_pages("disk", 4_000 * MIB, ask)
    assert list(listed.extents) == list(service.extents)


def test_a_long_list_takes_hardly_more_questions_than_it_has_answers() -> None:
    service = Service(ruled(100_000, MIB), limit=1_000)

    list_pages("disk", 100_000 * MIB, service.ask)
    assert len(service.asked) <= 150


def test_ranges_that_lie_in_one_corner_of_a_large_disk_are_found_in_few_questions() -> None:
    corner = 30 * 1024 * GIB
    service = Service([Extent(corner + MIB * n, 512) for n in range(20_000)], limit=1_000)

    listed = list_pages("disk", 32 * 1024 * GIB, service.ask)
    assert list(listed.extents) == list(service.extents)
    assert len(service.asked) <= 150


@pytest.mark.parametrize("longest", [4 * MIB, 64 * MIB, 3 * GIB])
def test_a_list_that_takes_too_long_is_asked_for_in_halves_and_never_whole_again(
    longest: int,
) -> None:
    service, timed_out = Service(ruled(64, 64 * MIB)), list[int]()

    def ask(window: Extent, marker: str | None) -> PageList:
        if window.length > longest:
            timed_out.append(window.length)
            raise TimedOut("disk: HTTP 500 OperationTimedOut")
        return service.ask(window, marker)

    listed = list_pages("disk", 4 * GIB, ask)
    assert list(listed.extents) == list(service.extents)
    # Each size fails once, or once more for every thread that had asked for it already.
    assert len(timed_out) <= LISTS_AT_ONCE * 11
    assert timed_out.count(4 * GIB) == 1


def test_a_service_that_always_takes_too_long_is_given_up() -> None:
    asked = list[int]()

    def ask(window: Extent, _marker: str | None) -> PageList:
        asked.append(window.length)
        raise TimedOut("disk: HTTP 500 OperationTimedOut")

    with pytest.raises(TransientError, match="OperationTimedOut"):
        list_pages("disk", 32 * 1024 * GIB, ask)
    assert min(asked) == SMALLEST_WINDOW_BYTES
    assert len(asked) <= LISTS_AT_ONCE * 24


@pytest.mark.parametrize("marker", ["same", None], ids=["that repeats", "that is not there"])
def test_a_list_that_does_not_go_on_is_given_up(marker: str | None) -> None:
    asked = list[Extent]()

    def ask(window: Extent, _after: str | None) -> PageList:
        asked.append(window)
        return PageList(Extents(), 0, 10_000, window.offset, marker)

    with pytest.raises(TransientError, match="disk: its page list does not go on behind byte 0"):
        list_pages("disk", GIB, ask)
    assert len(asked) <= 2


def test_a_list_that_promises_more_for_ever_is_given_up() -> None:
    def ask(window: Extent, after: str | None) -> PageList:
        return PageList(Extents(), 0, 0, window.offset, f"{after or ''}x")

    with pytest.raises(TransientError, match="does not go on"):
        list_pages("disk", GIB, ask)


def test_empty_answers_with_a_marker_are_followed() -> None:
    service = Service(ruled(10, MIB))

    def ask(window: Extent, marker: str | None) -> PageList:
        if marker is None:
            return PageList(Extents(), 0, 0, window.offset, "on")
        return service.ask(window, marker)

    assert list(list_pages("disk", GIB, ask).extents) == list(service.extents)


def test_a_list_that_goes_on_page_by_page_of_a_huge_disk_is_given_up_in_words() -> None:
    def ask(window: Extent, _marker: str | None) -> PageList:
        first = Extents([Extent(window.offset, 512)])
        return PageList(first, 512, 1, window.offset + 512, "more")

    with pytest.raises(PermanentError, match="disk: 50,000 page lists") as told:
        list_pages("disk", 32 * 1024 * GIB, ask)
    assert told.value.reason == "ExportRefused"


def test_the_first_failure_ends_the_others() -> None:
    service = Service(ruled(4_000, MIB), limit=100)

    def ask(window: Extent, marker: str | None) -> PageList:
        if len(service.asked) > 2 * LISTS_AT_ONCE:
            raise Stopped("told to stop")
        return service.ask(window, marker)

    with pytest.raises(Stopped):
        list_pages("disk", 4_000 * MIB, ask)
    assert len(service.asked) <= 3 * LISTS_AT_ONCE


def over_http(
    host: ExportHost, lists: Callable[[ListAsked], bytes | Refused] | None = None
) -> Listed:
    host.lists = lists
    pool, stop = ExportPool(LISTS_AT_ONCE), threading.Event()
    patience = Patience(attempts=3, pause=lambda _seconds: None)
    export = Export(
        "web-01-os",
        Renewable(host.url),
        len(host.disk),
        pool,
        stop,
        renewal_s=0.05,
        patience=patience,
    )
    try:
        return export.allocated()
    finally:
        pool.clear()


@pytest.mark.parametrize("says_marker", [True, False], ids=["with markers", "cut silently"])
def test_no_range_is_lost_where_a_list_is_longer_than_an_answer(
    export_host: ExportHost, *, says_marker: bool
) -> None:
    export_host.disk = bytes(20 * MIB)
    ranges = [(1024 * n, 1024 * n + 511) for n in range(20_000)]
    export_host.ranges, export_host.says_marker = ranges, says_marker

    listed = over_http(export_host)
    assert listed.listed_bytes == 20_000 * 512
    assert list(listed.extents) == [Extent(0, 1024 * 19_999 + 512)]


@pytest.mark.parametrize(
    "refused",
    [
        Refused(500, "OperationTimedOut"),
        Refused(503, "OperationTimedOut"),
        Refused(408, "RequestTimeout"),
        Refused(504, ""),
    ],
)
def test_azure_s_time_limit_is_answered_with_smaller_questions(
    export_host: ExportHost, refused: Refused
) -> None:
    whole = len(export_host.disk)

    def lists(asked: ListAsked) -> bytes | Refused:
        return refused if asked.end - asked.start > 5 * MIB else export_host.page_list(asked)

    listed = over_http(export_host, lists)
    assert listed.listed_bytes == 4096 + 6 * MIB + 512
    lengths = [asked.end + 1 - asked.start for asked in export_host.listed]
    assert lengths.count(whole) == 1
    assert sum(lengths[1:]) >= whole


def lying(*ranges: tuple[int, int], marker: str = "") -> Callable[[ListAsked], bytes]:
    body = "".join(f"<PageRange><Start>{a}</Start><End>{b}</End></PageRange>" for a, b in ranges)
    said = f"<PageList>{body}<NextMarker>{marker}</NextMarker></PageList>".encode()
    return lambda _asked: said


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        (lying((1024, 1535), (0, 511)), "out of order"),
        (lying((0, 1023), (512, 2047)), "overlap"),
        (lying((0, 10 * MIB + 1023)), "up to byte"),
        (lying((0, 511), marker="x"), "does not go on behind byte [1-9]"),
        (lying(marker="x"), "does not go on behind byte 0"),
        (lambda _asked: b"<html>proxy</html>", "cannot be read"),
        (lambda _asked: bytes(9 * MIB), "AnswerTooLong"),
        (lambda _asked: Refused(302, ""), "HTTP 302"),
    ],
)
def test_a_list_that_contradicts_itself_ends_in_words_that_name_the_disk(
    export_host: ExportHost, lists: Callable[[ListAsked], bytes | Refused], words: str
) -> None:
    with pytest.raises((TransientError, PermanentError), match=f"^web-01-os: .*{words}") as told:
        over_http(export_host, lists)
    assert "sig=" not in str(told.value)
    assert len(export_host.listed) <= 4 * LISTS_AT_ONCE
