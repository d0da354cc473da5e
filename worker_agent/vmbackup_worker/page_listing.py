"""A disk's page lists: one where one is enough, else windows of the disk side by side.

A window whose list goes on is asked for again from where the answer ended, in as many parts as the
answer lets expect; that goes forward whatever markers a service gives, and needs none. A list that
takes Azure too long is asked for in halves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.extents import Extent, Extents
from vmbackup_worker.page_ranges import JOIN_GAP_BYTES, PageList, UnreadableList

#: How many lists of one disk are asked for at once.
LISTS_AT_ONCE = 4

#: Into how many windows the rest of a list is cut at most.
_MOST_PARTS = 16

#: A window is never cut smaller: its 8,192 pages hold less ranges than one answer may have.
SMALLEST_WINDOW_BYTES = 4 * 1024 * 1024

#: Full lists of so many would be 500 million ranges; who gives less in each gives them for ever.
MOST_LISTS = 50_000

#: So many answers in a row that list nothing and promise more; each window begins anew.
_MOST_EMPTY = 8


class TimedOut(TransientError):
    """The service, or the way to it, took too long; a smaller question may be answered."""


#: Returns the list of a window, from a marker on where one is named.
AskList = Callable[[Extent, "str | None"], PageList]


@dataclass(frozen=True, slots=True)
class Listed:
    """What the lists name, with small gaps joined, and how many bytes they name of it.

    *cleared* is what of it they say to be zero by now: lists of differences do.
    """

    extents: Extents
    listed_bytes: int
    cleared: Extents = field(default_factory=Extents)


def list_pages(name: str, disk_bytes: int, ask: AskList, *, start: int = 0) -> Listed:
    """Return what the export lists from *start* on; *name* is the disk's, for errors."""
    return _Listing(name, ask).of(Extent(start, disk_bytes - start))


class _Listing:
    """One disk's lists; the windows that are left are taken by whichever thread is free."""

    def __init__(self, name: str, ask: AskList) -> None:
        self._name = name
        self._ask = ask
        self._changed = threading.Condition()
        self._left: list[Extent] = []
        self._at_work = 0
        self._failure: BaseException | None = None
        self._lists = 0
        self._largest = 0
        self._answers: list[PageList] = []

    def of(self, whole: Extent) -> Listed:
        self._left.append(whole)
        self._largest = whole.length
        self._list_one(self._left.pop())
        if self._left:
            with ThreadPoolExecutor(LISTS_AT_ONCE, thread_name_prefix="list") as pool:
                for _ in range(LISTS_AT_ONCE):
                    pool.submit(self._work)
        if self._failure is not None:
            raise self._failure
        return self._joined()

    def _joined(self) -> Listed:
        extents, listed_bytes, cleared = Extents(join_gap=JOIN_GAP_BYTES), 0, Extents()
        self._answers.sort(key=lambda each: each.extents.offsets[0], reverse=True)
        while self._answers:
            answer = self._answers.pop()
            extents.append(answer.extents)
            listed_bytes += answer.listed_bytes
            cleared.append(answer.cleared)
        return Listed(extents, listed_bytes, cleared)

    def _work(self) -> None:
        while (window := self._take()) is not None:
            failure: BaseException | None = None
            try:
                self._list_one(window)
            except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
                failure = error
            with self._changed:
                self._at_work -= 1
                self._failure = self._failure or failure
                self._changed.notify_all()

    def _take(self) -> Extent | None:
        with self._changed:
            while not self._left and self._at_work and self._failure is None:
                self._changed.wait()
            if self._failure is not None or not self._left:
                return None
            self._at_work += 1
            return self._left.pop()

    def _list_one(self, window: Extent) -> None:
        """Have *window* listed, or put what it is to be asked for in its place."""
        if window.length > self._largest:
            self._put(_halves(window))
            return
        try:
            answer = self._answer(window)
        except TimedOut:
            if window.length <= SMALLEST_WINDOW_BYTES:
                raise
            with self._changed:
                # What is asked for from now on is smaller: so few questions time out at all.
                half = max(window.length // 2, SMALLEST_WINDOW_BYTES)
                self._largest = min(self._largest, half)
            self._put(_halves(window))
            return
        with self._changed:
            if answer.extents:
                self._answers.append(answer)
        if answer.reach < window.end:
            self._put(_parts(window, answer.reach))

    def _answer(self, window: Extent) -> PageList:
        """Return a list of *window* that reaches further than its start."""
        marker: str | None = None
        for _ in range(_MOST_EMPTY):
            self._count(window)
            answer = self._ask(window, marker)
            if answer.reach > window.offset:
                return answer
            if answer.next_marker == marker:
                break
            marker = answer.next_marker
        raise UnreadableList(
            f"{self._name}: its page list does not go on behind byte {window.offset:,}"
        )

    def _count(self, window: Extent) -> None:
        with self._changed:
            self._lists += 1
            if self._lists > MOST_LISTS:
                detail = f"{self._name}: {MOST_LISTS:,} page lists, and not at its end"
                raise PermanentError(f"{detail}: at byte {window.offset:,}", reason="ExportRefused")

    def _put(self, windows: list[Extent]) -> None:
        with self._changed:
            self._left.extend(reversed(windows))  # the first of them is taken next
            self._changed.notify_all()


def _halves(window: Extent) -> list[Extent]:
    return _cut(window, _whole_windows(window.length / 2))


def _parts(window: Extent, reach: int) -> list[Extent]:
    """Return what is left of *window* behind *reach*, in parts of about one list each."""
    rest = Extent(reach, window.end - reach)
    return _cut(rest, _whole_windows(max(reach - window.offset, rest.length / _MOST_PARTS)))


def _whole_windows(length: float) -> int:
    """Return *length* rounded up to what windows are multiples of."""
    return -int(-length // SMALLEST_WINDOW_BYTES) * SMALLEST_WINDOW_BYTES


def _cut(window: Extent, length: int) -> list[Extent]:
    """Return *window* cut into pieces of *length*."""
    return [
        Extent(start, min(length, window.end - start))
        for start in range(window.offset, window.end, length)
    ]
