"""Requests to Azurite, signed with the account's key, over connections that are kept."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import quote

import aiohttp
from yarl import URL

from azure_simulator.storage import signing
from azure_simulator.storage.operations import StorageService

#: The newest service version that Azurite takes.
NEWEST_VERSION = "2026-06-06"

# Azurite closes a connection after five idle seconds: give it up well before.
_KEPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Account:
    """Where an account's data is, and its key."""

    name: str
    key: str = field(repr=False)
    ports: Mapping[StorageService, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request to send on: *path* is encoded, *query* decoded, *headers* without credentials."""

    service: StorageService
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: AsyncIterable[bytes] | bytes | None = None


class Upstream:
    """Sends requests to the Azurite of an account."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, account: Account, request: Forwarded) -> aiohttp.ClientResponse:
        """Return the answer with its body unread; the caller releases it."""
        headers = {
            "x-ms-version": NEWEST_VERSION,
            **request.headers,
            "Host": f"{account.name}.{request.service}.core.windows.net",
            "x-ms-date": formatdate(usegmt=True),
        }
        text = signing.shared_key_text(
            request.method, account.name + request.path, list(headers.items()), request.query
        )
        headers["Authorization"] = (
            f"SharedKey {account.name}:{signing.signature(account.key, text)}"
        )
        query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in request.query)
        place = f"http://127.0.0.1:{account.ports[request.service]}{request.path}"
        return await self._open().request(
            request.method,
            URL(f"{place}?{query}" if query else place, encoded=True),
            headers=headers,
            data=request.body,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_S),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session
