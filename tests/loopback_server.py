"""HTTP servers on loopback that a test answers with, and that end quietly."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port, with a thread for each connection."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away: tests end in the middle of answers."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: LoopbackServer) -> Iterator[None]:
    """Have *server* answer until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
