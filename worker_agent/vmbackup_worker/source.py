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
from vmbackup_core.vhd_footer import FOOTER_BYTES
from vmbackup_worker.access import Renewable
from vmbackup_worker.connections import Answer
from vmbackup_worker.export_answers import (
    NoDifferences,
    OddAnswer,
    Refusal,
    check_range,
    check_size,
    export_size_of,
)
from vmbackup_worker.page_blob import OK, PARTIAL, ExportPool, PageBlob, Question
from vmbackup_worker.page_listing import SMALLEST_WINDOW_BYTES, Listed, list_pages
from vmbackup_worker.page_ranges import (
    LONGEST_LIST_BYTES,
    PAGE_LIST_RANGES,
    PageList,
    UnreadableList,
    parse_page_list,
)

#: One ranged GET at most: what Microsoft's own sample reads with.
READ_BYTES = 4 * 1024 * 1024


#: Azure's largest managed disk.
LARGEST_DISK_BYTES = 64 * 1024**4

#: Names an earlier snapshot by its whole SAS; in the query it would be refused.
PREVIOUS = "x-ms-previous-snapshot-url"

T = TypeVar("T")


class Export(PageBlob):
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
        super().__init__(name, url, pool, stop, renewal_s=renewal_s, patience=patience)
        self._disk_bytes = disk_bytes

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
        asked = Question("", {"Range": f"bytes=0-{FOOTER_BYTES - 1}"}, PARTIAL)
        try:
            self._patience.ask(
                lambda _attempt: self.in_turn(url, asked, lambda answer: answer.read(FOOTER_BYTES))
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

        asked = Question("", {"Range": f"bytes={part.offset}-{part.end - 1}"}, PARTIAL)
        self.asked(asked, take)

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
        if before is None:
            return self.asked(Question(query, headers, OK, once=may_be_less), take)
        asked = _Differences(query, headers, OK, once=may_be_less, before=before)
        return self.asked(asked, take)

    @override
    def by_a_good_sas(self, question: Question, take: Callable[[Answer], T]) -> T:
        if not isinstance(question, _Differences):
            return super().by_a_good_sas(question, take)
        before = question.before
        while True:
            self.go_on()
            generation, url = self._url.current()
            since, headers = before.named()
            try:
                return self.in_turn(url, question.with_headers(headers), take)
            except OddAnswer as error:  # nothing that it means passes
                raise NoDifferences("DifferencesRefused", error.said) from None
            except Refusal as error:
                if self.opens() and self.is_current(generation):
                    before.refused(since, error)
                else:
                    self.wait_for_newer(generation, error)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Differences(Question):
    """A question for what has changed since *before*."""

    before: PredecessorExport

    def with_headers(self, headers: Mapping[str, str]) -> _Differences:
        """Return it with *headers* too."""
        return replace(self, headers={**self.headers, **headers})
