"""The CONNECT proxies: the appliance's way in and the internet's, each on a loopback port."""

from __future__ import annotations

import asyncio
from functools import partial

from typing_extensions import override

from azure_simulator.gateway.connections import Connection
from azure_simulator.gateway.gateway import Gateway, ProxyName
from azure_simulator.gateway.reachability import Refusal
from azure_simulator.gateway.serving import http_protocol

_LONGEST_HEAD = 8 * 1024
_HTTPS = "443"


class Proxies:
    """Both proxies, listening."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._servers: dict[ProxyName, asyncio.Server] = {}

    async def start(self) -> None:
        """Listen on a free port of loopback for each."""
        loop = asyncio.get_running_loop()
        names: tuple[ProxyName, ...] = ("appliance", "internet")
        for name in names:
            tunnel = partial(_Tunnel, self._gateway, name)
            self._servers[name] = await loop.create_server(tunnel, "127.0.0.1", 0)

    @property
    def urls(self) -> dict[ProxyName, str]:
        """Where they listen."""
        return {
            name: f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for name, server in self._servers.items()
        }

    async def close(self) -> None:
        """Stop listening; what is open is the gateway's to cut."""
        for server in self._servers.values():
            server.close()


class _Tunnel(asyncio.Protocol):
    """One client of a proxy: reads its CONNECT, then makes way for TLS and HTTP."""

    def __init__(self, gateway: Gateway, caller: ProxyName) -> None:
        self._gateway = gateway
        self._caller = caller
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_server makes these
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > _LONGEST_HEAD:
                self._refuse("", 431, "the request's head is too long")
            return
        if len(self._head) > end + 4:
            self._refuse("", 400, "nothing may follow a CONNECT before it is answered")
            return
        self._connect(bytes(self._head[:end]).decode("latin-1"))

    def _connect(self, head: str) -> None:
        method, _, rest = head.partition("\r\n")[0].partition(" ")
        host, _, port = rest.partition(" ")[0].lower().rpartition(":")
        if method != "CONNECT":
            self._refuse(rest.partition(" ")[0], 405, "only CONNECT is served here")
        elif port != _HTTPS:
            self._refuse(host, 403, f"port {port} is not 443")
        else:
            decision = self._gateway.decide(self._caller, host, None)
            if isinstance(decision, Refusal) and decision.by != "account":
                self._refuse(host, 502, decision.reason)
            else:
                caller = self._gateway.caller(self._caller)
                self._admit(Connection(caller, host, None, decision))

    def _admit(self, connection: Connection) -> None:
        transport = self._transport
        assert transport is not None  # noqa: S101 - data came over it
        # The client's first TLS bytes must wait for who understands them.
        transport.pause_reading()
        connection.transport = transport
        self._gateway.opened(connection)
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._task = asyncio.get_running_loop().create_task(self._serve(transport, connection))

    async def _serve(self, transport: asyncio.Transport, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        early = _Early()
        front = self._gateway.front(connection)
        try:
            decrypted = await loop.start_tls(transport, early, front, server_side=True)
        except OSError:  # ssl.SSLError is one: the client did not like us, or the other way round
            transport.abort()
            return
        if decrypted is None or early.lost:
            transport.abort()
            return
        connection.transport = decrypted
        early.make_way(decrypted, http_protocol(connection, self._gateway.services))

    def _refuse(self, host: str, status: int, reason: str) -> None:
        self._gateway.refused(self._caller, host, reason, status)
        transport = self._transport
        if transport is None:
            return
        body = (reason + "\n").encode()
        head = (
            f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        transport.close()


class _Early(asyncio.Protocol):
    """Keeps what arrives between the handshake's end and the HTTP protocol's beginning."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ended = False
        self.lost = False

    @override
    def data_received(self, data: bytes) -> None:
        self._bytes += data

    @override
    def eof_received(self) -> bool:
        self._ended = True
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def make_way(self, transport: asyncio.Transport, successor: asyncio.Protocol) -> None:
        """Give the connection and the kept bytes to *successor*."""
        transport.set_protocol(successor)
        successor.connection_made(transport)
        if self._bytes:
            successor.data_received(bytes(self._bytes))
        if self._ended:
            successor.eof_received()
