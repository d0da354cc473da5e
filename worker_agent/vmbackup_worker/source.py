"""A snapshot's export: its page ranges, their differences and its bytes, over pooled HTTP.

Not the SDK: its `download_blob` asks for the whole page list with every range it reads, and costs
four times the processor time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    NoDifferences,
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

#: Names an earlier snapshot by its whole SAS; in the query it would be refused.
PREVIOUS = "x-ms-previous-snapshot-url"

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

    def allocated(self, start: int = 0) -> Listed:
        """Return the extents from *start* on that hold something, never the VHD's footer."""
        return self._list(start, None)

    def changed_since(self, before: PredecessorExport) -> Listed:
        """Return what is another than in *before*; raise NoDifferences where that isn't told."""
        return self._list(0, before)

    def _list(self, start: int, before: PredecessorExport | None) -> Listed:
        def ask(window: Extent, marker: str | None) -> PageList:
            return self._page_list(window, marker, before)

        return list_pages(self._name, self._disk_bytes, ask, start=start)

    def opens(self) -> bool:
        """Tell whether the SAS in use opens the export: its first bytes are asked for."""
        _, url = self._url.current()
        asked = _Question("", {"Range": f"bytes=0-{FOOTER_BYTES - 1}"}, PARTIAL)
        try:
            self._patience.ask(
                lambda _attempt: self._in_turn(url, asked, lambda answer: answer.read(FOOTER_BYTES))
            )
        except (Refusal, OddAnswer):
            return False
        return True

    def is_current(self, generation: int) -> bool:
        """Tell whether no fresher SAS has come."""
        return self._url.current()[0] == generation

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

        asked = _Question("", {"Range": f"bytes={part.offset}-{part.end - 1}"}, PARTIAL)
        self._asked(asked, take)

    def _check_size(self, export_bytes: int) -> None:
        """Refuse an export of another size: it would cut the disk, or is no fixed VHD."""
        check_size(self._name, export_bytes, self._disk_bytes)

    def _page_list(
        self, window: Extent, marker: str | None, before: PredecessorExport | None
    ) -> PageList:
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

        headers = {"x-ms-range": f"bytes={window.offset}-{window.end - 1}"}
        return self._asked(_Question(query, headers, OK, before, once=may_be_less), take)

    def _asked(self, question: _Question, take: Callable[[Answer], T]) -> T:
        """Return what *take* makes of the answer; asks again while the failure may pass."""
        odd = 0

        def ask(_attempt: int) -> T | TimedOut:
            nonlocal odd
            try:
                return self._by_a_good_sas(question, take)
            except TimedOut as error:
                if question.once:
                    return error
                raise
            except OddAnswer as error:
                if question.before is not None:  # nothing that it means passes
                    raise NoDifferences("DifferencesRefused", error.said) from None
                odd += 1
                if odd >= _ODD_ANSWERS:
                    raise error.for_good() from None
                raise

        answer = self._patience.ask(ask)
        if isinstance(answer, TimedOut):
            raise answer
        return answer

    def _by_a_good_sas(self, question: _Question, take: Callable[[Answer], T]) -> T:
        before = question.before
        while True:
            if self._stop.is_set():
                raise Stopped(f"{self._name}: told to stop")
            generation, url = self._url.current()
            since, headers = (0, {}) if before is None else before.named()
            try:
                return self._in_turn(url, question.with_headers(headers), take)
            except Refusal as error:
                if before is not None and self.opens() and self.is_current(generation):
                    before.refused(since, error)
                else:
                    self._wait_for_newer(generation, error)

    def _wait_for_newer(self, generation: int, error: Refusal) -> None:
        if not self._url.wait_for_newer(generation, self._renewal_s, self._stop):
            detail = f"{self._name}: export refused ({error}), no fresh SAS came"
            raise AccessRefused(detail) from None

    def _in_turn(self, url: str, question: _Question, take: Callable[[Answer], T]) -> T:
        """Ask when the export bears it, and let its lane learn from the answer."""
        with self.lane.turn(self._stop) as turn:
            try:
                taken = self._ask_once(url, question, take)
            except Throttled as error:
                turn.refused(error.retry_after_s)
                raise
            turn.answered()
        return taken

    def _ask_once(self, url: str, question: _Question, take: Callable[[Answer], T]) -> T:
        asked = {"x-ms-version": EXPORT_VERSION, **question.headers}
        target = _with_query(url, question.query)
        try:
            with self._connections.get(target, asked, self._stop) as answer:
                if answer.status == question.expected:
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
        patience: Patience | None = None,
    ) -> None:
        super().__init__(
            name, url, LARGEST_DISK_BYTES, pool, stop, renewal_s=renewal_s, patience=patience
        )

    def named(self) -> tuple[int, Mapping[str, str]]:
        """Return the header that names it in a question for differences, and its generation."""
        generation, url = self._url.current()
        if not (url.isascii() and url.isprintable()):  # what refuses such a header shows it
            raise NoDifferences("PredecessorUnreadable", "its SAS is no URL")
        return generation, {PREVIOUS: url}

    def refused(self, generation: int, error: Refusal) -> None:
        """Return once there is a fresh SAS, if it is this one's that was refused.

        Raise NoDifferences where none comes, or where it is not the SAS that is refused.
        """
        opens = self.opens()
        if not self.is_current(generation):
            return
        if opens:
            raise NoDifferences("DifferencesRefused", str(error))
        if not self._url.wait_for_newer(generation, self._renewal_s, self._stop):
            raise NoDifferences("PredecessorUnreadable", f"{error}, no fresh SAS came")

    @override
    def _check_size(self, export_bytes: int) -> None:
        """Take any."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What an export is asked; *once*: who asks asks for less where the answer takes too long.

    Where *before* is named, it is asked for the differences since that one.
    """

    query: str
    headers: Mapping[str, str]
    expected: int
    before: PredecessorExport | None = None
    once: bool = False

    def with_headers(self, headers: Mapping[str, str]) -> _Question:
        """Return it with *headers* too."""
        return replace(self, headers={**self.headers, **headers}) if headers else self


def _with_query(url: str, query: str) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _until(stop: threading.Event) -> Callable[[float], None]:
    """Return a pause that ends early where *stop* is set."""

    def pause(seconds: float, /) -> None:
        stop.wait(seconds)

    return pause
