"""A source of disks over HTTPS, as lean as Python's own server: it must not be the limit.

It answers what an export host answers to a worker: ranged GET, and page ranges, also those that
changed since another snapshot. ``python -m tools.bench.engine.export_server FOLDER CA_FILE`` prints
its address; credentials in URLs mean nothing to it.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme
from typing_extensions import override

from azure_simulator.disks.pages import MOST_RANGES, offset_of
from tools.bench.engine.export_blobs import Blob

HOST = "127.0.0.1"

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class ExportServer(ThreadingHTTPServer):
    """Serves the states of disks in a folder until it is told to stop."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, folder: Path, context: ssl.SSLContext) -> None:
        super().__init__((HOST, 0), _Handler)
        self._folder = folder
        self._context = context
        self._blobs: dict[str, Blob] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{HOST}:{self.server_port}"

    @override
    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - a stream server's
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._context.wrap_socket(request, server_side=True) as wrapped:
                _Handler(wrapped, (HOST, 0), self)
        except OSError:
            return  # who asked has gone

    def blob(self, name: str) -> Blob | None:
        """Return the state of a disk that is called *name*, if there is one."""
        with self._lock:
            path = self._folder / f"{Path(name).name}.img"
            if name not in self._blobs and path.exists():
                self._blobs[name] = Blob(path)
            return self._blobs.get(name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ExportServer

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a range or a page list."""
        url = urlsplit(self.path)
        blob = self.server.blob(_name_in(url.path))
        if blob is None:
            self._send(404, {"x-ms-error-code": "BlobNotFound"}, [])
            return
        query = parse_qs(url.query)
        answer: Callable[[Blob, dict[str, list[str]]], None] = (
            self._pages if query.get("comp") == ["pagelist"] else self._bytes
        )
        answer(blob, query)

    def _pages(self, blob: Blob, query: dict[str, list[str]]) -> None:
        first, last = self._span(blob)
        before = self.headers.get("x-ms-previous-snapshot-url")
        pages = blob.pages(None if before is None else _name_in(urlsplit(before).path))
        most = int(query.get("maxresults", [str(MOST_RANGES)])[0])
        marker = offset_of(query.get("marker", [""])[0])
        body = pages.answer(first, last, most, marker)
        headers = {
            "Content-Type": "application/xml",
            "x-ms-blob-content-length": str(blob.size_bytes),
        }
        self._send(200, headers, [memoryview(body)])

    def _bytes(self, blob: Blob, _query: dict[str, list[str]]) -> None:
        first, last = self._span(blob)
        said = f"bytes {first}-{last}/{blob.size_bytes}"
        self._send(206, {"Content-Range": said}, blob.pieces(first, last))

    def _span(self, blob: Blob) -> tuple[int, int]:
        asked = self.headers.get("x-ms-range") or self.headers.get("Range") or ""
        found = _RANGE.fullmatch(asked)
        if found is None:
            return 0, blob.size_bytes - 1
        return int(found[1]), min(int(found[2]), blob.size_bytes - 1)

    def _send(self, status: int, headers: dict[str, str], pieces: Sequence[memoryview]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(sum(map(len, pieces))))
        self.end_headers()
        for piece in pieces:
            self.connection.sendall(piece)


def _name_in(path: str) -> str:
    """Return what a URL's path calls the state of a disk."""
    return path.strip("/").partition("/")[0]


def main(arguments: Sequence[str]) -> None:
    """Serve the images of a folder."""
    folder, ca_file = map(Path, arguments)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(HOST).configure_cert(context)
    server = ExportServer(folder, context)
    threading.Thread(target=_go_with_who_asked, args=(server,), daemon=True).start()
    print(server.url, flush=True)
    server.serve_forever()


def _go_with_who_asked(server: ExportServer) -> None:
    """End once the standard input does: whoever has started this is gone."""
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
