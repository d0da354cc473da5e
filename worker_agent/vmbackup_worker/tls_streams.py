"""TLS over a socket, many records at once: what comes is taken off the socket in large pieces.

Python's own TLS socket asks the kernel twice for each record of 16 KiB, and a third and a fourth
time where it had to wait for it.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

from typing_extensions import override

from vmbackup_core.stores.port import Buffer

#: What is taken off the socket at once; each connection keeps so much memory.
_TAKEN_BYTES: Final = 256 * 1024

#: What an answer's head is read through.
_HEAD_BYTES: Final = 16 * 1024


class TlsStream:
    """What `http.client` uses of a socket, over TLS; for one thread at a time."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = connected
        self._taken = bytearray(_TAKEN_BYTES)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # Typed as if it returned bytes also where it is given a buffer.
        self._read = cast("Callable[[int, memoryview], int]", self._tls.read)
        self._shake_hands()

    def settimeout(self, seconds: float) -> None:
        """Raise TimeoutError where the other end is silent for so long."""
        self._socket.settimeout(seconds)

    def sendall(self, data: Buffer) -> None:
        """Send all of *data*."""
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                sent += self._tls.write(view[sent:])
        self._send_what_is_owed()

    def read_into(self, buffer: memoryview) -> int:
        """Fill *buffer* with what is there, after waiting for some; 0 is the end."""
        while (filled := self._read_what_is_there(buffer)) is None:
            self._take()
        return filled

    def makefile(self, _mode: str = "rb", *_: object) -> io.BufferedReader:
        """Return what an answer is read from; the socket is open until it is closed too."""
        return io.BufferedReader(_Reading(self.read_into, self._socket), _HEAD_BYTES)

    def close(self) -> None:
        """Close the socket, once nobody reads from it any more."""
        self._socket.close()

    def _shake_hands(self) -> None:
        while not self._has_shaken_hands():
            self._take()

    def _has_shaken_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._send_what_is_owed()
        return True

    def _read_what_is_there(self, buffer: memoryview) -> int | None:
        """Return how much of *buffer* was filled; None where nothing has come and may come yet."""
        filled = 0
        try:
            while filled < len(buffer):
                came = self._read(len(buffer) - filled, buffer[filled:])
                if not came:
                    break
                filled += came
        except ssl.SSLWantReadError:
            return filled or None
        except ssl.SSLEOFError:  # without a farewell: who counts the bytes tells what is missing
            pass
        return filled

    def _take(self) -> None:
        """Have TLS given what came over the socket, or its end."""
        self._send_what_is_owed()  # the other end may wait for it
        came = self._socket.recv_into(self._taken)
        if came:
            with memoryview(self._taken) as whole, whole[:came] as part:
                self._incoming.write(part)
        else:
            self._incoming.write_eof()

    def _send_what_is_owed(self) -> None:
        if self._outgoing.pending:
            self._socket.sendall(self._outgoing.read())


class _Reading(io.RawIOBase):
    """A stream's bytes as a file, which keeps the socket open."""

    def __init__(self, read_into: Callable[[memoryview], int], of: socket.socket) -> None:
        self._read_into = read_into
        self._held = of.makefile("rb", buffering=0)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._read_into(buffer)

    @override
    def close(self) -> None:
        if not self.closed:
            self._held.close()
        super().close()
