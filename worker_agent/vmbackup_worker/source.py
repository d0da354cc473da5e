"""A snapshot's export: its page ranges and its bytes, over plain pooled HTTP.

Not the SDK: its `download_blob` asks for the whole page list with every range it reads, and costs
four times the processor time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from typing_extensions import override

from vmbackup_core.errors import TransientError
from vmbackup_core.extents import Extent
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.connections import LOST, Answer, Connections, Waits
from vmbackup_worker.export_answers import (
    FOOTER_BYTES,
    OddAnswer,
    Refusal,
    Throttled,
    check_range,
    check_size,
    export_size_of,
    unexpected,
)
from vmbackup_worker.page_listing import SMALLEST_WINDOW_BYTES, Listed, TimedOut, list_pages
from vmbackup_worker.page_ranges import (
    LONGEST_LIST_BYTES,
    PAGE_LIST_RANGES,
    PageList,
    UnreadableList,
    parse_page_list,
)
from vmbackup_worker.traffic import Traffic
from vmbackup_worker.trust import tls_context

#: What exports of managed disks are asked with; the first one whose page lists have markers.
EXPORT_VERSION = "2020-10-02"

#: One ranged GET at most: what Microsoft's own sample reads with.
READ_BYTES = 4 * 1024 * 1024


#: Azure's largest managed disk.
LARGEST_DISK_BYTES = 64 * 1024**4

OK, PARTIAL = 200, 206

#: How often an answer that nothing explains is asked for again.
_ODD_ANSWERS = 3

#: What is read of an answer that tells of a failure, so that its connection may be used again.
_LONGEST_ERROR_BYTES = 64 * 1024

T = TypeVar("T")


class ExportPool:
    """What the exports of one job share: *connections* open at once, dealt out evenly."""

    def __init__(self, connections: int, waits: Waits | None = None) -> None:
        self.connections = Connections(connections, tls_context(), waits)
        self.traffic = Traffic(connections)

    def clear(self) -> None:
        """Close every connection that nobody uses."""
        self.connections.clear()


def export_pool(connections: int) -> ExportPool:
    """Return a pool for that many readers at once."""
    return ExportPool(connections)


class Export:
    """One snapshot as its SAS shows it; *url* may be renewed at any time, from any thread."""

    def __init__(  # noqa: PLR0913 - what one disk's way is made of, put together in one place
        self,
        name: str,
        url: Renewable[str],
        disk_bytes: int,
        pool: ExportPool,
        stop: threading.Event,
        *,
        renewal_s: float,
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._disk_bytes = disk_bytes
        self._connections = pool.connections
        self.lane = pool.traffic.lane()
        self._stop = stop
        self._renewal_s = renewal_s
        self._patience = patience or Patience(attempts=8, longest_wait_s=30, pause=_until(stop))

    def allocated(self) -> Listed:
        """Return the extents that hold something, never beyond the disk into the VHD's footer."""
        return list_pages(self._name, self._disk_bytes, self._page_list)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill *buffer* with the disk's bytes from *offset*."""
        end = offset + len(buffer)
        if end > self._disk_bytes:
            raise ValueError(f"{self._name}: byte {end} is behind the disk's {self._disk_bytes}")
        for start in range(offset, end, READ_BYTES):
            part = Extent(start, min(READ_BYTES, end - start))
            self._read_once(part, buffer[start - offset : start - offset + part.length])

    def _read_once(self, part: Extent, buffer: memoryview) -> None:
        def take(answer: Answer) -> None:
            self._check_size(check_range(self._name, part, answer))
            came = answer.read_into(buffer)
            if came < part.length:
                raise TransientError(f"{self._name}: {came} of {part.length} bytes came")

        self._asked("", {"Range": f"bytes={part.offset}-{part.end - 1}"}, PARTIAL, take)

    def _check_size(self, export_bytes: int) -> None:
        """Refuse an export of another size: it would cut the disk, or is no fixed VHD."""
        check_size(self._name, export_bytes, self._disk_bytes)

    def _page_list(self, window: Extent, marker: str | None) -> PageList:
        query = f"comp=pagelist&maxresults={PAGE_LIST_RANGES}"
        if marker:
            query += f"&marker={quote(marker, safe='')}"
        may_be_less = window.length > SMALLEST_WINDOW_BYTES

        def take(answer: Answer) -> PageList:
            said = export_size_of(answer)
            if said is not None:
                self._check_size(said)
            data = answer.read(LONGEST_LIST_BYTES)
            try:
                return parse_page_list(data, window, said or self._disk_bytes + FOOTER_BYTES)
            except UnreadableList as error:
                raise UnreadableList(f"{self._name}: {error}") from error

        asked = {"x-ms-range": f"bytes={window.offset}-{window.end - 1}"}
        return self._asked(query, asked, OK, take, once=may_be_less)

    def _asked(
        self,
        query: str,
        headers: Mapping[str, str],
        expected: int,
        take: Callable[[Answer], T],
        *,
        once: bool = False,
    ) -> T:
        """Return what *take* makes of the answer; asks again while the failure may pass.

        *once* says that who asks asks for less where an answer takes too long.
        """
        odd = 0

        def question(_attempt: int) -> T | TimedOut:
            nonlocal odd
            try:
                return self._by_a_good_sas(query, headers, expected, take)
            except TimedOut as error:
                if once:
                    return error
                raise
            except OddAnswer as error:
                odd += 1
                if odd >= _ODD_ANSWERS:
                    raise error.for_good() from None
                raise

        answer = self._patience.ask(question)
        if isinstance(answer, TimedOut):
            raise answer
        return answer

    def _by_a_good_sas(
        self,
        query: str,
        headers: Mapping[str, str],
        expected: int,
        take: Callable[[Answer], T],
    ) -> T:
        while True:
            if self._stop.is_set():
                raise Stopped(f"{self._name}: told to stop")
            generation, url = self._url.current()
            try:
                return self._in_turn(_with_query(url, query), headers, expected, take)
            except Refusal as error:
                if not self._url.wait_for_newer(generation, self._renewal_s, self._stop):
                    detail = f"{self._name}: export refused ({error}), no fresh SAS came"
                    raise AccessRefused(detail) from None

    def _in_turn(
        self, url: str, headers: Mapping[str, str], expected: int, take: Callable[[Answer], T]
    ) -> T:
        """Ask when the export bears it, and let its lane learn from the answer."""
        with self.lane.turn(self._stop) as turn:
            try:
                taken = self._ask_once(url, headers, expected, take)
            except Throttled as error:
                turn.refused(error.retry_after_s)
                raise
            turn.answered()
        return taken

    def _ask_once(
        self, url: str, headers: Mapping[str, str], expected: int, take: Callable[[Answer], T]
    ) -> T:
        asked = {"x-ms-version": EXPORT_VERSION, **headers}
        try:
            with self._connections.get(url, asked, self._stop) as answer:
                if answer.status == expected:
                    return take(answer)
                failure = unexpected(self._name, answer)
                answer.read(_LONGEST_ERROR_BYTES)
        except TimeoutError:
            raise TimedOut(f"{self._name}: no answer in time") from None
        except LOST as error:  # their text may hold the URL
            raise TransientError(f"{self._name}: {type(error).__name__}") from None
        raise failure


class PredecessorExport(Export):
    """An earlier snapshot of a disk that may have been shorter or longer.

    Its bytes are compared with hashes, so its size need not be known.
    """

    def __init__(
        self,
        name: str,
        url: Renewable[str],
        pool: ExportPool,
        stop: threading.Event,
        *,
        renewal_s: float,
    ) -> None:
        super().__init__(name, url, LARGEST_DISK_BYTES, pool, stop, renewal_s=renewal_s)

    @override
    def _check_size(self, export_bytes: int) -> None:
        """Take any."""


def _with_query(url: str, query: str) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _until(stop: threading.Event) -> Callable[[float], None]:
    """Return a pause that ends early where *stop* is set."""

    def pause(seconds: float, /) -> None:
        stop.wait(seconds)

    return pause
