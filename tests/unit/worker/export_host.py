"""A small export host on loopback: ranged reads and page lists over HTTP, with faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving

FOOTER = b"conectix".ljust(512, b"\xff")


@dataclass
class ExportHost:
    """What the host serves and what it saw."""

    disk: bytes
    ranges: list[tuple[int, int]]  # inclusive ends, as on the wire
    base: str = ""
    sas: str = "sig=first"
    page_ranges: int = 10_000  # it answers at most so many
    says_marker: bool = True
    faults: list[int | str] = field(default_factory=list)
    read: list[tuple[int, int]] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    hold_from: int | None = None  # reads from this offset on wait for `gate`
    gate: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.base}/snapshot/abcd?{self.sas}"

    def next_fault(self) -> int | str | None:
        with self.lock:
            return self.faults.pop(0) if self.faults else None

    def page_list(self, start: int, end: int, marker: int, limit: int) -> bytes:
        found = [(a, b) for a, b in self.ranges if a <= end and b >= start]
        shown = found[marker : marker + min(limit, self.page_ranges)]
        more = marker + len(shown)
        next_marker = str(more) if self.says_marker and more < len(found) else ""
        body = "".join(f"<PageRange><Start>{a}</Start><End>{b}</End></PageRange>" for a, b in shown)
        return f"<PageList>{body}<NextMarker>{next_marker}</NextMarker></PageList>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: ExportHost

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.host.versions.add(self.headers["x-ms-version"])
        fault = self.host.next_fault()
        if isinstance(fault, int):
            self._answer(fault, b"", {"x-ms-error-code": "Injected"})
        elif self.host.sas not in url.query:
            self._answer(403, b"", {"x-ms-error-code": "AuthenticationFailed"})
        elif "comp=pagelist" in url.query:
            query = parse_qs(url.query)
            start, end = self._range("x-ms-range")
            size = {"x-ms-blob-content-length": str(len(self.host.disk) + len(FOOTER))}
            marker, limit = int(query.get("marker", ["0"])[0]), int(query["maxresults"][0])
            self._answer(200, self.host.page_list(start, end, marker, limit), size)
        else:
            self._serve(fault)

    def _serve(self, fault: str | None) -> None:
        start, end = self._range("Range")
        if self.host.hold_from is not None and start >= self.host.hold_from:
            self.host.held.set()
            self.host.gate.wait(60)
            if self.host.sas not in self.path:  # revoked meanwhile
                self._answer(403, b"", {"x-ms-error-code": "AuthenticationFailed"})
                return
        data = (self.host.disk + FOOTER)[start : end + 1]
        said = f"bytes {start}-{end}/{len(self.host.disk) + len(FOOTER)}"
        if fault == "wrong range":
            said = f"bytes 0-{end - start}/{len(self.host.disk)}"
        headers = {"Content-Range": said}
        if fault == "cut":
            self._answer(206, data, headers, send=len(data) // 2)
            self.close_connection = True
            return
        if fault is None:
            with self.host.lock:  # before the answer: who has it may look at once
                self.host.read.append((start, end + 1 - start))
        self._answer(206, data, headers)

    def _range(self, header: str) -> tuple[int, int]:
        start, _, end = self.headers[header].removeprefix("bytes=").partition("-")
        return int(start), int(end)

    def _answer(
        self, status: int, data: bytes, headers: dict[str, str], send: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:send])


@contextmanager
def export_host(disk: bytes, ranges: list[tuple[int, int]]) -> Iterator[ExportHost]:
    """Serve *disk*, of which *ranges* (inclusive ends) are allocated, until the block ends."""
    host = ExportHost(disk, ranges)
    handler = type("Handler", (_Handler,), {"host": host})
    server = LoopbackServer(handler)
    host.base = f"http://127.0.0.1:{server.port}"
    with serving(server):
        try:
            yield host
        finally:
            host.gate.set()
