"""A managed disk's page blob behind its SAS: asked in its turn, and again while a failure passes.

Not the SDK: it costs four times the processor time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import Buffer
from vmbackup_worker.access import AccessRefused, Renewable, Stopped
from vmbackup_worker.connections import LOST, Answer, Connections, Request, Waits
from vmbackup_worker.export_answers import OddAnswer, Refusal, Throttled, unexpected
from vmbackup_worker.page_listing import TimedOut
from vmbackup_worker.traffic import Traffic
from vmbackup_worker.trust import tls_context

#: What managed disks are asked with; the first one whose page lists have markers.
EXPORT_VERSION = "2020-10-02"

OK, CREATED, PARTIAL = 200, 201, 206

#: How often an answer that nothing explains is asked for again.
_ODD_ANSWERS = 3

#: What is read of an answer that tells of a failure, so that its connection may be used again.
_LONGEST_ERROR_BYTES = 64 * 1024

T = TypeVar("T")


class ExportPool:
    """What the page blobs of one job share: *connections* open at once, dealt out evenly."""

    def __init__(self, connections: int, waits: Waits | None = None) -> None:
        self.connections = Connections(connections, tls_context(), waits)
        self.traffic = Traffic(connections)

    def clear(self) -> None:
        """Close every connection that nobody uses."""
        self.connections.clear()


def export_pool(connections: int) -> ExportPool:
    """Return a pool for that many readers at once."""
    return ExportPool(connections)


@dataclass(frozen=True, slots=True)
class Question:
    """What a page blob is asked; *once*: who asks asks for less where it takes too long."""

    query: str
    headers: Mapping[str, str]
    expected: int
    method: str = "GET"
    body: tuple[Buffer, ...] = ()
    once: bool = False


class PageBlob:
    """A page blob as its SAS shows it; *url* may be renewed at any time, from any thread."""

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
        self._name = name
        self._url = url
        self._connections = pool.connections
        self.lane = pool.traffic.lane()
        self._stop = stop
        self._renewal_s = renewal_s
        self._patience = patience or Patience(attempts=8, longest_wait_s=30, pause=_until(stop))

    def asked(self, question: Question, take: Callable[[Answer], T]) -> T:
        """Return what *take* makes of the answer; asks again while the failure may pass."""
        odd = 0

        def ask(_attempt: int) -> T | TimedOut:
            nonlocal odd
            try:
                return self.by_a_good_sas(question, take)
            except TimedOut as error:
                if question.once:
                    return error
                raise
            except OddAnswer as error:
                odd += 1
                if odd >= _ODD_ANSWERS:
                    raise self.for_good(error) from None
                raise

        answer = self._patience.ask(ask)
        if isinstance(answer, TimedOut):
            raise answer
        return answer

    def for_good(self, error: OddAnswer) -> PermanentError:
        """Return what an answer is that nothing explains and that is given again and again."""
        return PermanentError(str(error), reason="ExportRefused")

    def by_a_good_sas(self, question: Question, take: Callable[[Answer], T]) -> T:
        """Ask by the SAS in use; one that is refused waits for a fresh one."""
        while True:
            self.go_on()
            generation, url = self._url.current()
            try:
                return self.in_turn(url, question, take)
            except Refusal as error:
                self.wait_for_newer(generation, error)

    def go_on(self) -> None:
        """Raise Stopped where the work is to end."""
        if self._stop.is_set():
            raise Stopped(f"{self._name}: told to stop")

    def wait_for_newer(self, generation: int, error: Refusal) -> None:
        """Wait for a SAS that is newer than the one that was refused; raise AccessRefused."""
        if not self._url.wait_for_newer(generation, self._renewal_s, self._stop):
            detail = f"{self._name}: access refused ({error}), no fresh SAS came"
            raise AccessRefused(detail) from None

    def in_turn(self, url: str, question: Question, take: Callable[[Answer], T]) -> T:
        """Ask when the blob bears it, and let its lane learn from the answer."""
        with self.lane.turn(self._stop) as turn:
            try:
                taken = self._ask_once(url, question, take)
            except Throttled as error:
                turn.refused(error.retry_after_s)
                raise
            turn.answered()
        return taken

    def _ask_once(self, url: str, question: Question, take: Callable[[Answer], T]) -> T:
        headers = {"x-ms-version": EXPORT_VERSION, **question.headers}
        target = _with_query(url, question.query)
        request = Request(question.method, target, headers, question.body)
        try:
            with self._connections.ask(request, self._stop) as answer:
                if answer.status == question.expected:
                    return take(answer)
                failure = unexpected(self._name, answer)
                answer.read(_LONGEST_ERROR_BYTES)
        except TimeoutError:
            raise TimedOut(f"{self._name}: no answer in time") from None
        except LOST as error:  # their text may hold the URL
            raise TransientError(f"{self._name}: {type(error).__name__}") from None
        raise failure


def _with_query(url: str, query: str) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _until(stop: threading.Event) -> Callable[[float], None]:
    """Return a pause that ends early where *stop* is set."""

    def pause(seconds: float, /) -> None:
        stop.wait(seconds)

    return pause
