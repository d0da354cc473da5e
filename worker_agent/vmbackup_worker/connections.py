"""HTTP connections that are kept open between requests, and answers read into buffers in place.

Of the clients of Python that were measured, `http.client` takes the least processor time for a
byte: nothing lies between the socket and the buffer that a caller uses again and again.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPS_PORT, HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import urlsplit

from vmbackup_core.stores.port import Buffer
from vmbackup_worker.access import Stopped
from vmbackup_worker.tls_streams import TlsStream

#: What fails on the way: of an exception's text nothing is shown, it may hold the URL.
LOST = (OSError, HTTPException)

_Address = tuple[str, str, "int | None"]


class AnswerTooLong(HTTPException):
    """An answer of more bytes than it may have."""


@dataclass(frozen=True, slots=True)
class Waits:
    """For how long a host may be silent, and take for a whole answer, until it counts as hung."""

    connect_s: float = 10.0
    silence_s: float = 60.0
    answer_s: float = 180.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a host; *body* has the length that a header says, and may be sent again."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Sequence[Buffer] = ()


class Answer:
    """The answer to one request; its body is read once, whole or not at all."""

    def __init__(self, response: HTTPResponse, until: float, stop: threading.Event) -> None:
        self._response = response
        self._until = until
        self._stop = stop
        self.status = response.status
        #: True once nothing of the body is left, so that the connection can be used again.
        self.is_read = False

    def header(self, name: str) -> str:
        """Return a header's value, empty where it has none."""
        return self._response.headers.get(name) or ""

    def read_into(self, buffer: memoryview) -> int:
        """Fill *buffer* with the body, of which it has the length; return how many bytes came."""
        filled = 0
        while filled < len(buffer):
            self._check()
            # Past the response, which would wait for all of it: a host that drips is noticed.
            came = self._response.fp.readinto1(buffer[filled:])
            if not came:
                return filled
            filled += came
        self._response.length = 0
        self.is_read = True
        return filled

    def read(self, most: int) -> bytes:
        """Return the body; raise AnswerTooLong where it has more than *most* bytes."""
        pieces, size = list[bytes](), 0
        while piece := self._response.read1(64 * 1024):
            self._check()
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise AnswerTooLong(f"more than {most} bytes")
        if self._response.length:  # promised and not sent
            raise HTTPException("cut short")
        self.is_read = True
        return b"".join(pieces)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped("told to stop")
        if time.monotonic() > self._until:
            raise TimeoutError


class Connections:
    """Connections to any number of hosts; at most *kept* that nobody uses are kept open to each."""

    def __init__(self, kept: int, context: ssl.SSLContext, waits: Waits | None = None) -> None:
        self._kept = kept
        self._context = context
        self._waits = waits or Waits()
        self._lock = threading.Lock()
        self._idle: dict[_Address, list[HTTPConnection]] = {}

    @contextmanager
    def ask(self, request: Request, stop: threading.Event) -> Iterator[Answer]:
        """Ask for *request*; what fails is one of LOST, here and while the answer is read."""
        address, target = _parted(request.url)
        until = time.monotonic() + self._waits.answer_s
        connection, response = self._asked(address, target, request)
        answer = Answer(response, until, stop)
        try:
            yield answer
        finally:
            reusable = answer.is_read and not response.will_close
            response.close()
            if reusable:
                self._keep(address, connection)
            else:
                connection.close()

    def clear(self) -> None:
        """Close every connection that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connection in (each for of_host in idle.values() for each in of_host):
            connection.close()

    def _asked(
        self, address: _Address, target: str, request: Request
    ) -> tuple[HTTPConnection, HTTPResponse]:
        while True:
            connection = self._take(address)
            is_new = connection is None
            connection = connection or self._connect(address)
            try:
                return connection, _answered(connection, target, request)
            except ConnectionError:  # the host had closed it while nobody used it
                connection.close()
                if is_new:
                    raise
            except BaseException:
                connection.close()
                raise

    def _connect(self, address: _Address) -> HTTPConnection:
        scheme, host, port = address
        wait_s = self._waits.connect_s
        if scheme == "https":
            connection = HTTPConnection(host, port or HTTPS_PORT, timeout=wait_s)
            connection.default_port = HTTPS_PORT
            connection.connect()
            try:
                connection.sock = TlsStream(connection.sock, self._context, host)
            except BaseException:
                connection.close()
                raise
        else:
            connection = HTTPConnection(host, port, timeout=wait_s)
            connection.connect()
        connection.sock.settimeout(self._waits.silence_s)
        return connection

    def _take(self, address: _Address) -> HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(address)
            return idle.pop() if idle else None

    def _keep(self, address: _Address, connection: HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(address, [])
            if len(idle) < self._kept:
                idle.append(connection)
                return
        connection.close()


def _answered(connection: HTTPConnection, target: str, request: Request) -> HTTPResponse:
    """Return the answer, also to a body that the host would not have to its end."""
    try:
        connection.request(
            request.method, target, body=request.body or None, headers=dict(request.headers)
        )
    except ConnectionError:
        if not request.body:
            raise
    return connection.getresponse()


def _parted(url: str) -> tuple[_Address, str]:
    """Return whom to ask, and for what; no exception shows the URL."""
    try:
        parts = urlsplit(url)
        address = (parts.scheme, parts.hostname or "", parts.port)
        target = f"{parts.path or '/'}?{parts.query}".removesuffix("?")
        target.encode("ascii")
    except ValueError:
        raise HTTPException("no URL") from None
    return address, target
