"""Connections of the SDK's asynchronous clients: pools that end when their client does."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

#: Is told method and URL of a request; what it raises is raised in the request's place.
Gate = Callable[[str, str], None]


def _open(_method: str, _url: str) -> None:
    """Let everything pass."""


def session(gate: Gate = _open) -> aiohttp.ClientSession:
    """Return a pool of connections that honours the environment's CA file.

    Each request passes *gate* when its connection is there, just before its first byte: a token
    and a connection may have taken seconds, and a process may have been stopped meanwhile.
    Proxies are the clients' own, see `proxies`. Cookies are not kept, and bodies stay as they came:
    both are the SDK's business.
    """
    connector = aiohttp.TCPConnector(
        # aiohttp's own context is made when it is imported, before anybody could name a CA file.
        ssl=ssl.create_default_context(),
        # A request that is ended closes its connection, and nobody waits for the server's consent:
        # for half a minute the socket would be nobody's. Newer Pythons give it up by themselves.
        enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[_passing(gate)],
    )


def _passing(gate: Gate) -> aiohttp.TraceConfig:
    async def pass_gate(
        _session: aiohttp.ClientSession,
        _context: object,
        request: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        gate(request.method, str(request.url))

    # The client calls this before it writes the headers, whatever the name says.
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(pass_gate)
    return tracing
