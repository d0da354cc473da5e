"""Connections through the proxies: TLS and HTTP to the service behind a name, refused or cut."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from azure_simulator.gateway.gateway import Gateway, ProxyName
from azure_simulator.gateway.names import ServiceName
from azure_simulator.gateway.proxies import Proxies
from azure_simulator.journal import Journal
from azure_simulator.service import Service
from tests.private_networks import WorkerNetwork

BLOB = "https://acct.blob.core.windows.net"


class Echo:
    """Answers with what it got, or with as many bytes as the path asks for."""

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        if request.method == "PUT":
            received = await request.read()
            return web.Response(status=201, text=hashlib.sha256(received).hexdigest())
        if request.path == "/endless":
            return await self._endless(request)
        if request.path.startswith("/bytes/"):
            return web.Response(body=bytes(int(request.path.removeprefix("/bytes/"))))
        return web.json_response({"caller": caller, "host": host, "path": request.path_qs})

    async def _endless(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))
            await asyncio.sleep(0.001)


@dataclass(slots=True)
class Running:
    """A gateway that listens, over a network that a test changes."""

    network: WorkerNetwork
    journal: Journal
    gateway: Gateway
    proxies: Proxies
    session: aiohttp.ClientSession

    def proxy(self, name: ProxyName = "appliance") -> str:
        return self.proxies.urls[name]

    def events(self, event: str) -> list[str]:
        return [e["host"] for e in self.journal.since(0) if e["detail"]["event"] == event]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    network = WorkerNetwork()
    network.link(network.blob_zone, network.appliance_vnet)
    network.peer(network.appliance_vnet, network.worker_vnet)
    network.peer(network.worker_vnet, network.appliance_vnet)
    network.account("open", public=True)
    names: tuple[ServiceName, ...] = ("token", "arm", "blob", "queue", "export")
    services: dict[ServiceName, Service] = {name: Echo() for name in names}
    journal = Journal()
    gateway = Gateway(network.resources, journal, services)
    gateway.set_appliance_network(network.appliance_vnet)
    proxies = Proxies(gateway)
    await proxies.start()
    trusting = ssl.create_default_context(cadata=gateway.authority.pem.decode())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        yield Running(network, journal, gateway, proxies, session)
    await proxies.close()
    gateway.close()
    await asyncio.sleep(0.05)


async def read_to_the_end(answer: aiohttp.ClientResponse) -> None:
    async with asyncio.timeout(120):
        while await answer.content.read(65536):
            pass


async def test_a_request_reaches_its_service_with_caller_and_host(running: Running) -> None:
    url = "https://Management.Azure.com/subscriptions?api-version=1"
    async with running.session.get(url, proxy=running.proxy("internet")) as answer:
        said = await answer.json()

    assert said == {
        "caller": "internet",
        "host": "management.azure.com",
        "path": "/subscriptions?api-version=1",
    }


async def test_one_connection_serves_many_requests(running: Running) -> None:
    for _ in range(20):
        async with running.session.get(f"{BLOB}/x", proxy=running.proxy()) as answer:
            await answer.read()

    assert running.events("opened") == ["acct.blob.core.windows.net"]


async def test_a_put_of_32_mib_arrives_whole(running: Running) -> None:
    body = hashlib.shake_256(b"pack").digest(1024) * (32 * 1024)

    async with running.session.put(
        f"{BLOB}/pack", data=io.BytesIO(body), proxy=running.proxy()
    ) as answer:
        digest = await answer.text()

    assert digest == hashlib.sha256(body).hexdigest()


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on(running: Running) -> None:
    body = bytes(1024 * 1024)

    async with running.session.put(
        f"{BLOB}/pack", data=body, proxy=running.proxy(), expect100=True
    ) as answer:
        digest = await answer.text()

    assert digest == hashlib.sha256(body).hexdigest()


async def test_a_read_of_4_mib_comes_whole(running: Running) -> None:
    async with running.session.get(f"{BLOB}/bytes/4194304", proxy=running.proxy()) as answer:
        assert len(await answer.read()) == 4 * 1024 * 1024


async def test_a_name_without_an_address_is_refused_with_the_reason(running: Running) -> None:
    with pytest.raises(aiohttp.ClientHttpProxyError) as refused:
        await running.session.get(
            "https://nobody.blob.core.windows.net/", proxy=running.proxy("internet")
        )

    assert refused.value.status == 502
    assert running.events("refused") == ["nobody.blob.core.windows.net"]


async def test_no_port_but_443_is_connected_to(running: Running) -> None:
    with pytest.raises(aiohttp.ClientHttpProxyError) as refused:
        await running.session.get(
            "https://open.blob.core.windows.net:8443/", proxy=running.proxy("internet")
        )

    assert refused.value.status == 403


async def test_a_proxy_forwards_no_plain_requests(running: Running) -> None:
    async with running.session.get("http://127.0.0.1:1/", proxy=running.proxy()) as answer:
        assert answer.status == 405


async def test_an_account_that_is_not_public_answers_the_internet_403(running: Running) -> None:
    async with running.session.get(f"{BLOB}/x", proxy=running.proxy("internet")) as answer:
        said = await answer.text()

    assert answer.status == 403
    assert "AuthorizationFailure" in said


async def test_tls_for_another_name_than_the_tunnels_is_refused(running: Running) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await running.session.get(
            f"{BLOB}/x", proxy=running.proxy(), server_hostname="open.blob.core.windows.net"
        )


async def test_a_request_for_another_host_than_the_tunnels_is_misdirected(
    running: Running,
) -> None:
    async with running.session.get(
        f"{BLOB}/x", proxy=running.proxy(), headers={"Host": "management.azure.com"}
    ) as answer:
        assert answer.status == 421


async def test_a_client_that_does_not_trust_the_authority_gets_no_connection(
    running: Running,
) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await running.session.get(
            f"{BLOB}/x", proxy=running.proxy(), ssl=ssl.create_default_context()
        )


async def test_a_transfer_is_cut_when_its_way_goes(running: Running) -> None:
    async with running.session.get(f"{BLOB}/endless", proxy=running.proxy()) as answer:
        assert await answer.content.read(200_000)

        running.network.set_approval(running.network.acct, "Rejected")

        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await read_to_the_end(answer)
    assert running.events("cut") == ["acct.blob.core.windows.net"]


async def test_a_change_that_touches_nothing_of_a_way_cuts_nothing(running: Running) -> None:
    async with running.session.get(f"{BLOB}/endless", proxy=running.proxy()) as answer:
        assert await answer.content.read(200_000)

        running.network.account("unrelated")
        await asyncio.sleep(0.05)

        assert await answer.content.read(200_000)
    assert running.events("cut") == []


async def test_moving_the_appliance_cuts_its_private_connections(running: Running) -> None:
    async with running.session.get(f"{BLOB}/endless", proxy=running.proxy()) as answer:
        assert await answer.content.read(200_000)

        running.gateway.set_appliance_network(None)

        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await read_to_the_end(answer)


async def test_a_connection_is_written_down_with_the_endpoint_that_carries_it(
    running: Running,
) -> None:
    async with running.session.get(f"{BLOB}/x", proxy=running.proxy()) as answer:
        await answer.read()

    (entry,) = running.journal.since(0)
    assert (entry["service"], entry["caller"], entry["status"]) == ("gateway", "appliance", 200)
    assert entry["detail"]["endpoint"] == running.network.blob_endpoint.lower()
