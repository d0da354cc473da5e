"""A small export host on loopback: ranged reads and page lists over HTTP, with faults on demand."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving

FOOTER = b"conectix".ljust(512, b"\xff")


@dataclass(frozen=True, slots=True)
class ListAsked:
    """One question for a page list: of the window between *start* and *end*, both included."""

    start: int
    end: int
    marker: str
    since: str | None = None  # the whole SAS of the earlier snapshot


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is none, in the service's words."""

    status: int
    code: str
    retry_after: str = ""


@dataclass
class ExportHost:
    """What the host serves and what it saw."""

    disk: bytes
    ranges: list[tuple[int, int]]  # inclusive ends, as on the wire
    base: str = ""
    sas: str = "sig=first"
    page_ranges: int = 10_000  # it answers at most so many
    says_marker: bool = True
    faults: list[int | str | Refused] = field(default_factory=list)
    #: The export of the disk's snapshot before, since which differences can be told.
    predecessor: ExportHost | None = None
    #: What they are: the first and the last byte, and whether it was cleared.
    differences: list[tuple[int, int, bool]] = field(default_factory=list)
    #: What questions for differences are refused with, one after the other.
    refusals: list[Refused] = field(default_factory=list)
    #: Answers page lists in the host's place; `page_list` is what it would say.
    lists: Callable[[ListAsked], bytes | Refused] | None = None
    listed: list[ListAsked] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    under_way: int = 0
    most_at_once: int = 0
    read: list[tuple[int, int]] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    hold_from: int | None = None  # reads from this offset on wait for `gate`
    gate: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.base}/snapshot/abcd?{self.sas}"

    def next_fault(self) -> int | str | Refused | None:
        with self.lock:
            return self.faults.pop(0) if self.faults else None

    def page_list(self, asked: ListAsked, limit: int = 10_000) -> bytes:
        start, end, marker = asked.start, asked.end, int(asked.marker or 0)
        every = [(a, b, False) for a, b in self.ranges]
        if asked.since is not None:
            every = self.differences
        found = [each for each in every if each[0] <= end and each[1] >= start]
        shown = found[marker : marker + min(limit, self.page_ranges)]
        more = marker + len(shown)
        next_marker = str(more) if self.says_marker and more < len(found) else ""
        body = "".join(
            f"<{kind}><Start>{a}</Start><End>{b}</End></{kind}>"
            for a, b, cleared in shown
            for kind in ("ClearRange" if cleared else "PageRange",)
        )
        return f"<PageList>{body}<NextMarker>{next_marker}</NextMarker></PageList>".encode()

    def refusal_of(self, since: str) -> Refused | None:
        """Return how differences since an earlier snapshot are refused, if they are."""
        with self.lock:
            if self.refusals:
                return self.refusals.pop(0)
        if self.predecessor is None:
            return Refused(409, "PreviousSnapshotOperationNotSupported")
        if since != self.predecessor.url:
            return Refused(403, "AuthenticationFailed")
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: ExportHost

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        host = self.host
        with host.lock:
            host.connections.add(self.client_address)
            host.under_way += 1
            host.most_at_once = max(host.most_at_once, host.under_way)
        try:
            self._get()
        finally:
            with host.lock:
                host.under_way -= 1

    def _get(self) -> None:
        url = urlsplit(self.path)
        self.host.versions.add(self.headers["x-ms-version"])
        fault = self.host.next_fault()
        if isinstance(fault, int):
            self._refuse(Refused(fault, "Injected"))
        elif isinstance(fault, Refused):
            self._refuse(fault)
        elif self.host.sas not in url.query:
            self._refuse(Refused(403, "AuthenticationFailed"))
        elif "comp=pagelist" in url.query:
            self._list(parse_qs(url.query))
        else:
            self._serve(fault)

    def _list(self, query: dict[str, list[str]]) -> None:
        since = self.headers["x-ms-previous-snapshot-url"]
        asked = ListAsked(*self._range("x-ms-range"), query.get("marker", [""])[0], since)
        with self.host.lock:
            self.host.listed.append(asked)
        refusal = None if since is None else self.host.refusal_of(since)
        if refusal is not None:
            said: bytes | Refused = refusal
        elif self.host.lists is None:
            said = self.host.page_list(asked, int(query["maxresults"][0]))
        else:
            said = self.host.lists(asked)
        if isinstance(said, Refused):
            self._refuse(said)
            return
        size = {"x-ms-blob-content-length": str(len(self.host.disk) + len(FOOTER))}
        self._answer(200, said, size)

    def _refuse(self, refused: Refused) -> None:
        headers = {"x-ms-error-code": refused.code}
        if refused.retry_after:
            headers["Retry-After"] = refused.retry_after
        self._answer(refused.status, b"<Error/>", headers)

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
        headers = {"Content-Range": said}
        if fault is not None:
            self._answer_badly(fault, data, headers)
            return
        with self.host.lock:  # before the answer: who has it may look at once
            self.host.read.append((start, end + 1 - start))
        self._answer(206, data, headers)

    def _answer_badly(self, fault: str, data: bytes, headers: dict[str, str]) -> None:
        if fault == "chunked":
            self._answer_in_chunks(data[:-5], headers)
            return
        if fault == "hang up":
            self.close_connection = True
            return
        if fault in {"cut", "stall"}:
            self._answer(206, data, headers, send=len(data) // 2)
            if fault == "stall":
                self.host.gate.wait(60)
            self.close_connection = True
            return
        status, body, said = self._bad_answers(data, headers["Content-Range"])[fault]
        self._answer(status, body, said)

    def _bad_answers(self, data: bytes, said: str) -> dict[str, tuple[int, bytes, dict[str, str]]]:
        total, right = len(self.host.disk) + len(FOOTER), {"Content-Range": said}
        # As long as what was asked for, so that only the encoding tells.
        packed = gzip.compress(data)[: len(data)].ljust(len(data), b"\0")
        elsewhere = {"Location": f"{self.host.base}/elsewhere?{self.host.sas}"}
        return {
            "wrong range": (206, data, {"Content-Range": f"bytes 512-{511 + len(data)}/{total}"}),
            "any total": (206, data, {"Content-Range": said.replace(f"/{total}", "/*")}),
            "no range": (206, data, {}),
            "whole": (200, self.host.disk + FOOTER, {}),
            "gzip": (206, packed, {**right, "Content-Encoding": "gzip"}),
            "short": (206, data[:-100], right),
            "long": (206, data + bytes(100), right),
            "moved": (302, b"", elsewhere),
        }

    def _answer_in_chunks(self, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(206)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))

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
def export_host(
    disk: bytes, ranges: list[tuple[int, int]], tls: ssl.SSLContext | None = None
) -> Iterator[ExportHost]:
    """Serve *disk*, of which *ranges* (inclusive ends) are allocated, until the block ends."""
    host = ExportHost(disk, ranges)
    handler = type("Handler", (_Handler,), {"host": host})
    server = LoopbackServer(handler)
    host.base = f"http://127.0.0.1:{server.port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        host.base = f"https://127.0.0.1:{server.port}"
    with serving(server):
        try:
            yield host
        finally:
            host.gate.set()
