"""Open connections: what each was let through for, and the cutting of those whose way has gone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from azure_simulator.gateway.reachability import Caller, Decision

#: Closing with nothing lingering sends RST: the other end sees a connection that broke.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class Connection:
    """One caller's connection to one host; *address* is what a VM dialled."""

    caller: Caller
    host: str
    address: str | None
    decision: Decision
    transport: asyncio.Transport | None = None

    def cut(self) -> None:
        """Break it off at once, whatever is under way."""
        if self.transport is not None:
            break_off(self.transport)


class OpenConnections:
    """Those that are open; closed ones are forgotten in passing."""

    def __init__(self) -> None:
        self._open: list[Connection] = []

    def __iter__(self) -> Iterator[Connection]:
        """Yield the connections that are still open."""
        self._open = [
            each
            for each in self._open
            if each.transport is not None and not each.transport.is_closing()
        ]
        return iter(list(self._open))

    def add(self, connection: Connection) -> None:
        """Keep an eye on *connection*, which has its transport."""
        self._open.append(connection)

    def cut_where(self, gone: Callable[[Connection], bool]) -> list[Connection]:
        """Cut the connections for which *gone* holds, and return them."""
        doomed = [each for each in self if gone(each)]
        for each in doomed:
            each.cut()
        return doomed


def break_off(transport: asyncio.Transport) -> None:
    """Reset the connection beneath *transport*."""
    if (sock := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):  # the other end may have been quicker
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def refuse_socket(sock: socket.socket) -> None:
    """Reset a connection that was accepted and is not wanted."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    sock.close()
