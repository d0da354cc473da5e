"""Connections of the SDK's asynchronous clients: pools that end when their client does."""

from __future__ import annotations

import ssl

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED


def session() -> aiohttp.ClientSession:
    """Return a pool of connections that honours the environment's CA file.

    Proxies are the clients' own, see `proxies`. Cookies are not kept, and bodies stay as they
    came: both are the SDK's business.
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
    )
