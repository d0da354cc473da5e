"""A small host of one disk made for upload, as strict as the simulated one, with faults."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from typing_extensions import override

from azure_simulator.disks.footer import FOOTER_BYTES, is_footer
from azure_simulator.disks.ranges import Span
from azure_simulator.disks.uploads import pages_asked
from azure_simulator.storage.wire import StorageError
from tests.loopback_server import LoopbackServer, serving
from tests.unit.worker.export_host import Refused


@dataclass
class UploadHost:
    """One disk made for upload, and what was put into it."""

    size_bytes: int
    base: str = ""
    sas: str = "sig=write"
    said_bytes: int | None = None  # how long it says to be, where it is not the truth
    faults: list[int | str | Refused] = field(default_factory=list)
    puts: list[Span] = field(default_factory=list)
    hold_from: int | None = None  # the put of this number waits for `gate`
    gate: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    under_way: int = 0
    most_at_once: int = 0
    connections: set[tuple[str, int]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    pages: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.pages = bytearray(self.whole_bytes)

    @property
    def whole_bytes(self) -> int:
        return self.size_bytes + FOOTER_BYTES

    @property
    def url(self) -> str:
        return f"{self.base}/upload/abcd?{self.sas}"

    @property
    def disk(self) -> bytes:
        return bytes(self.pages[: self.size_bytes])

    @property
    def is_whole(self) -> bool:
        """Whether Azure would take it as a disk."""
        return is_footer(bytes(self.pages[self.size_bytes :]), self.size_bytes)

    def next_fault(self) -> int | str | Refused | None:
        with self.lock:
            return self.faults.pop(0) if self.faults else None

    def take(self, span: Span, pages: bytes) -> None:
        with self.lock:
            self.puts.append(span)
            number = len(self.puts)
        if self.hold_from is not None and number > self.hold_from:
            self.held.set()
            self.gate.wait(60)
        self.pages[span.first : span.last + 1] = pages


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: UploadHost

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        if not self._is_faulty(b""):
            said = self.host.said_bytes
            self._answer(200, {}, self.host.whole_bytes if said is None else said)

    def do_PUT(self) -> None:
        host = self.host
        if host.faults[:1] == ["refused early"]:  # before it has seen what it would not have
            host.next_fault()
            self.close_connection = True
            self._refuse(Refused(503, "ServerBusy"))
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with host.lock:
            host.connections.add(self.client_address)
            host.under_way += 1
            host.most_at_once = max(host.most_at_once, host.under_way)
        try:
            if not self._is_faulty(body):
                self._put(body)
        finally:
            with host.lock:
                host.under_way -= 1

    def _put(self, body: bytes) -> None:
        try:
            span = pages_asked(dict(self.headers), self.host.whole_bytes)
        except StorageError as error:
            self._refuse(Refused(error.status, error.code))
            return
        self.host.take(span, body)
        if self.host.sas not in self.path:  # revoked meanwhile
            self._refuse(Refused(403, "AuthenticationFailed"))
        else:
            self._answer(201, {})

    def _is_faulty(self, body: bytes) -> bool:
        """Tell whether the request got another answer than its own."""
        fault = self.host.next_fault()
        if fault == "answer lost":
            self.host.take(pages_asked(dict(self.headers), self.host.whole_bytes), body)
        if isinstance(fault, str):
            self.close_connection = True
        elif fault is not None:
            self._refuse(fault if isinstance(fault, Refused) else Refused(fault, "Injected"))
        elif self.host.sas not in urlsplit(self.path).query:
            self._refuse(Refused(403, "AuthenticationFailed"))
        else:
            return False
        return True

    def _refuse(self, refused: Refused) -> None:
        headers = {"x-ms-error-code": refused.code}
        if refused.retry_after:
            headers["Retry-After"] = refused.retry_after
        self._answer(refused.status, headers)

    def _answer(self, status: int, headers: dict[str, str], length: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


@contextmanager
def upload_host(size_bytes: int, tls: ssl.SSLContext | None = None) -> Iterator[UploadHost]:
    """Serve a disk of *size_bytes* that was made for upload, until the block ends."""
    host = UploadHost(size_bytes)
    server = LoopbackServer(type("Handler", (_Handler,), {"host": host}))
    host.base = f"http://127.0.0.1:{server.port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        host.base = f"https://127.0.0.1:{server.port}"
    with serving(server):
        try:
            yield host
        finally:
            host.gate.set()
