"""Connections that many threads share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from azure.core.pipeline.transport import HttpRequest
from typing_extensions import override

from vmbackup_core.stores.connections import connections

THREADS = 24


class Server(ThreadingHTTPServer):
    """Answers once all threads have asked, and counts its connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.all_ask = threading.Barrier(THREADS)
        self.connections = 0

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.all_ask.wait(60)
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as served:
        serving = threading.Thread(target=served.serve_forever)
        serving.start()
        yield served
        served.shutdown()
        serving.join()


def test_each_of_many_threads_goes_on_by_the_connection_that_it_had(server: Server) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}/"

    with connections() as shared, ThreadPoolExecutor(THREADS) as threads:
        for _ in range(3):
            asked = [threads.submit(shared.send, HttpRequest("GET", url)) for _ in range(THREADS)]
            assert {each.result().status_code for each in asked} == {204}

    assert server.connections == THREADS
