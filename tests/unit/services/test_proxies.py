"""Which proxy a request goes through: the one that the environment names for its host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from typing_extensions import override

from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.proxies import proxies_for
from vmbackup_operator.sessions.seen import Account

ARM = "https://management.azure.com"


class Anybody(AsyncTokenCredential):
    @override
    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("token", 4_000_000_000)

    @override
    async def close(self) -> None:
        """Close nothing."""

    @override
    async def __aexit__(self, *_raised: object) -> None:
        """Close nothing."""


class Proxy:
    """A proxy that refuses all, and remembers which hosts it was asked for."""

    def __init__(self) -> None:
        self.hosts: set[bytes] = set()
        self._another = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hosts.add((await reader.readline()).split()[1])
        self._another.set()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def asked_for(self, hosts: int) -> None:
        """Wait until so many hosts were asked for."""
        while len(self.hosts) < hosts:
            self._another.clear()
            await self._another.wait()


async def end(asking: Sequence[asyncio.Future[Any]]) -> None:
    """End requests that were refused, before they are tried again."""
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        ("", ARM, "http://proxy:3128"),
        (".azure.com", ARM, None),
        ("*", ARM, None),
        ("example.com", ARM, "http://proxy:3128"),
        ("localhost", "https://localhost:8443/bench", None),
    ],
)
def test_the_environments_proxy_serves_all_hosts_but_those_that_are_to_have_none(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, expected: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert proxies_for(url).get("https") == expected


async def test_resource_manager_and_queues_are_asked_through_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A default entry of ~/.netrc is no password of ours."""
    proxy = Proxy()
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "")
        clients = Clients(Anybody(), TurnedClock())
        plane = DataPlane(clients)
        account = Account(ArmId("/a"), "https://a.blob.example", "https://a.queue.example")
        asking = [
            asyncio.ensure_future(clients.compute("s").virtual_machines.get("group", "vm")),
            asyncio.ensure_future(plane.queue(account, "events").get_queue_properties()),
        ]
        await asyncio.wait_for(proxy.asked_for(2), 30)
        await end(asking)
        await plane.close()
        await clients.close()

    assert proxy.hosts == {b"management.azure.com:443", b"a.queue.example:443"}


async def test_the_client_of_a_queue_is_made_once_and_not_kept_for_ever() -> None:
    clients = Clients(Anybody(), TurnedClock())
    plane = DataPlane(clients)
    account = Account(ArmId("/a"), "https://a.blob.example", "https://a.queue.example")
    first = plane.queue(account, "events-0")

    again = plane.queue(account, "events-0")
    for number in range(1, 1500):
        plane.queue(account, f"events-{number}")

    assert again is first
    assert plane.queue(account, "events-0") is not first
    await plane.close()
    await clients.close()
