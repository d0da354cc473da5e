"""A snapshot's export: its page ranges and its bytes, over plain pooled HTTP.

Not the SDK: its `download_blob` asks for the whole page list with every range it reads, and costs
four times the processor time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote

import urllib3
from typing_extensions import override
from urllib3.exceptions import HTTPError

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.extents import Extent
from vmbackup_core.stores.patience import Patience
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.page_ranges import PAGE_LIST_RANGES, ExtentTable, PageList, parse_page_list
from vmbackup_worker.trust import tls_context

#: What exports of managed disks are asked with; the first one whose page lists have markers.
EXPORT_VERSION = "2020-10-02"

#: One ranged GET at most: what Microsoft's own sample reads with.
READ_BYTES = 4 * 1024 * 1024

#: A fixed VHD's footer, behind the disk's own bytes.
FOOTER_BYTES = 512

#: Azure's largest managed disk.
LARGEST_DISK_BYTES = 64 * 1024**4

OK, PARTIAL, UNAUTHORIZED, FORBIDDEN = 200, 206, 401, 403
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

T = TypeVar("T")


def export_pool(connections: int) -> urllib3.PoolManager:
    """Return a pool for that many readers at once."""
    return urllib3.PoolManager(
        num_pools=130,  # a host of its own for each disk's snapshot and its predecessor
        maxsize=connections,
        block=False,
        ssl_context=tls_context(),
        timeout=urllib3.Timeout(connect=10, read=60),
        retries=False,
    )


class _Refusal(Exception):
    """The export refused the credential."""


class Export:
    """One snapshot as its SAS shows it; *url* may be renewed at any time, from any thread."""

    def __init__(  # noqa: PLR0913 - what one disk's way is made of, put together in one place
        self,
        name: str,
        url: Renewable[str],
        disk_bytes: int,
        pool: urllib3.PoolManager,
        stop: threading.Event,
        *,
        renewal_s: float,
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._disk_bytes = disk_bytes
        self._pool = pool
        self._stop = stop
        self._renewal_s = renewal_s
        self._patience = patience or Patience(attempts=8, longest_wait_s=30, pause=_until(stop))

    def allocated(self) -> ExtentTable:
        """Return the extents that hold something, never beyond the disk into the VHD's footer."""
        table = ExtentTable()
        for page in self._page_lists(Extent(0, self._disk_bytes), {}):
            for extent in page.ranges:
                table.add(extent)
        return table

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill *buffer* with the disk's bytes from *offset*."""
        end = offset + len(buffer)
        if end > self._disk_bytes:
            raise ValueError(f"{self._name}: byte {end} is behind the disk's {self._disk_bytes}")
        for start in range(offset, end, READ_BYTES):
            part = Extent(start, min(READ_BYTES, end - start))
            self._read_once(part, buffer[start - offset : start - offset + part.length])

    def _read_once(self, part: Extent, buffer: memoryview) -> None:
        headers = {"Range": f"bytes={part.offset}-{part.end - 1}"}

        def take(answer: urllib3.BaseHTTPResponse) -> None:
            self._check_range(part, answer)
            filled = 0
            while filled < part.length:
                piece = answer.read(part.length - filled)
                if not piece:
                    raise TransientError(f"{self._name}: {filled} of {part.length} bytes came")
                buffer[filled : filled + len(piece)] = piece
                filled += len(piece)

        self._asked("", headers, PARTIAL, take)

    def _check_range(self, part: Extent, answer: urllib3.BaseHTTPResponse) -> None:
        said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if said is None or (int(said[1]), int(said[2])) != (part.offset, part.end - 1):
            detail = f"{self._name}: asked for {part}, got {answer.headers.get('Content-Range')}"
            raise TransientError(detail)
        self._check_size(int(said[3]))

    def _check_size(self, export_bytes: int) -> None:
        """Refuse an export of another size: it would cut the disk, or is no fixed VHD."""
        if export_bytes not in {self._disk_bytes, self._disk_bytes + FOOTER_BYTES}:
            detail = (
                f"{self._name}: export of {export_bytes} bytes, the disk has {self._disk_bytes}"
            )
            raise PermanentError(detail, reason="DiskSizeDiffers")

    def _page_lists(self, window: Extent, headers: Mapping[str, str]) -> Iterator[PageList]:
        """Yield the page lists of *window*, in order.

        A list that ends just at the service's limit and names no continuation may be cut short:
        then each half is asked for alone, since a range that is missed is data that is lost.
        """
        marker: str | None = None
        while True:
            page = self._page_list(window, headers, marker)
            # A service that has named a continuation before would have named one again.
            if page.may_be_cut and marker is None and window.length > PAGE_LIST_RANGES:
                half = window.length // 2 // 512 * 512
                yield from self._page_lists(Extent(window.offset, half), headers)
                rest = Extent(window.offset + half, window.length - half)
                yield from self._page_lists(rest, headers)
                return
            yield page
            marker = page.next_marker
            if marker is None:
                return

    def _page_list(
        self, window: Extent, headers: Mapping[str, str], marker: str | None
    ) -> PageList:
        query = f"comp=pagelist&maxresults={PAGE_LIST_RANGES}"
        if marker:
            query += f"&marker={quote(marker, safe='')}"
        asked = {**headers, "x-ms-range": f"bytes={window.offset}-{window.end - 1}"}

        def take(answer: urllib3.BaseHTTPResponse) -> bytes:
            said = answer.headers.get("x-ms-blob-content-length", "")
            if said.isdigit():
                self._check_size(int(said))
            return answer.read()

        return parse_page_list(self._asked(query, asked, OK, take), window)

    def _asked(
        self,
        query: str,
        headers: Mapping[str, str],
        expected: int,
        take: Callable[[urllib3.BaseHTTPResponse], T],
    ) -> T:
        """Return what *take* makes of the answer; asks again while the failure may pass."""

        def question(_attempt: int) -> T:
            while True:
                if self._stop.is_set():
                    raise Stopped(f"{self._name}: told to stop")
                generation, url = self._url.current()
                try:
                    return self._ask_once(_with_query(url, query), headers, expected, take)
                except _Refusal as error:
                    if not self._url.wait_for_newer(generation, self._renewal_s, self._stop):
                        detail = f"{self._name}: export refused ({error}), no fresh SAS came"
                        raise AccessRefused(detail) from None

        return self._patience.ask(question)

    def _ask_once(
        self,
        url: str,
        headers: Mapping[str, str],
        expected: int,
        take: Callable[[urllib3.BaseHTTPResponse], T],
    ) -> T:
        asked = {"x-ms-version": EXPORT_VERSION, **headers}
        try:
            answer = self._pool.request(
                "GET",
                url,
                headers=asked,
                preload_content=False,
                decode_content=False,
                redirect=False,
            )
            try:
                if answer.status != expected:
                    raise self._unexpected(answer)
                taken = take(answer)
                answer.drain_conn()
            except BaseException:
                answer.close()  # a connection with unread bytes is of no use to anybody
                raise
            answer.release_conn()
        except (HTTPError, OSError) as error:  # their text holds the URL
            raise TransientError(f"{self._name}: {type(error).__name__}") from None
        return taken

    def _unexpected(self, answer: urllib3.BaseHTTPResponse) -> Exception:
        code = answer.headers.get("x-ms-error-code", "")
        said = f"HTTP {answer.status} {code}".rstrip()
        if answer.status in {UNAUTHORIZED, FORBIDDEN}:
            return _Refusal(said)
        if answer.status in _PASSING:
            after = answer.headers.get("Retry-After", "")
            retry_after_s = float(after) if after.isdigit() else None
            return TransientError(f"{self._name}: {said}", retry_after_s=retry_after_s)
        return PermanentError(f"{self._name}: export answered {said}", reason="ExportRefused")


class PredecessorExport(Export):
    """An earlier snapshot of a disk that may have been shorter or longer.

    Its bytes are compared with hashes, so its size need not be known.
    """

    def __init__(
        self,
        name: str,
        url: Renewable[str],
        pool: urllib3.PoolManager,
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
