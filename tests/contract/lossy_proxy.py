"""A TCP proxy on loopback that can lose an answer after the request was applied."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class LossyProxy:
    """Pipes connections to a port; `lose_answers` cuts them when the next answers begin."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._to_lose = 0
        self._lock = threading.Lock()
        self.lost = 0
        self.port: int = self._listener.getsockname()[1]

    def lose_answers(self, count: int) -> None:
        with self._lock:
            self._to_lose = count

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            upstream = socket.create_connection(("127.0.0.1", self._upstream))
            for pipe in (self._requests, self._answers):
                threading.Thread(target=pipe, args=(client, upstream), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _requests(self, client: socket.socket, upstream: socket.socket) -> None:
        self._pipe(client, upstream, losing=False)

    def _answers(self, client: socket.socket, upstream: socket.socket) -> None:
        self._pipe(upstream, client, losing=True)

    def _pipe(self, source: socket.socket, sink: socket.socket, *, losing: bool) -> None:
        with suppress(OSError):
            while (data := source.recv(65536)) and not (losing and self._lose()):
                sink.sendall(data)
        for each in (source, sink):
            _cut(each)

    def _lose(self) -> bool:
        with self._lock:
            if self._to_lose:
                self._to_lose -= 1
                self.lost += 1
                return True
            return False


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def lossy_proxy(port: int) -> Iterator[LossyProxy]:
    proxy = LossyProxy(port)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(60)
