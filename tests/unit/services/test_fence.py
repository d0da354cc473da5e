"""No write leaves a process that does not lead, whatever of Azure it is for."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import HttpRequest

from tests.unit.services.test_proxies import Anybody, Proxy
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import VmbackupError
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.correlation import PROCESS, correlated
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.fence import Fence, WriteFence
from vmbackup_operator.services.repository_stores import RepositoryStores
from vmbackup_operator.sessions.seen import Account, SecretUrl

ACCOUNT = Account(ArmId("/a"), "https://a.blob.example", "https://a.queue.example")
SIGNED = SecretUrl("https://a.blob.example/c?sv=1&sig=x")
Ask = Callable[[Clients, DataPlane], Awaitable[Any]]


class NotLeading(VmbackupError):
    """Another operator may work now."""


def closed() -> None:
    raise NotLeading("the lease has passed")


async def first_of(pages: Any) -> object:
    return await anext(pages.by_page(), None)


WRITES: dict[str, Ask] = {
    "a VM's deletion": lambda clients, _: clients.compute("s").virtual_machines.begin_delete(
        "g", "v"
    ),
    "a queue": lambda _, plane: plane.queue(ACCOUNT, "q").create_queue(),
    "a queue's end": lambda _, plane: plane.queue(ACCOUNT, "q").delete_queue(),
    "a message": lambda _, plane: plane.queue(ACCOUNT, "q").send_message("x"),
    "a message's end": lambda _, plane: plane.queue(ACCOUNT, "q").delete_message("id", "receipt"),
    "messages taken": lambda _, plane: first_of(plane.queue(ACCOUNT, "q").receive_messages()),
    "a blob": lambda _, plane: plane.blobs(ACCOUNT).get_blob_client("c", "b").upload_blob(b"x"),
    "a blob's end": lambda _, plane: plane.blobs(ACCOUNT).get_blob_client("c", "b").delete_blob(),
    "a container": lambda _, plane: plane.blobs(ACCOUNT).create_container("c"),
    "a blob by its SAS": lambda _, plane: plane.signed_container(SIGNED).upload_blob("b", b"x"),
}
LOOKS: dict[str, Ask] = {
    "a VM": lambda clients, _: clients.compute("s").virtual_machines.get("g", "v"),
    "a queue": lambda _, plane: plane.queue(ACCOUNT, "q").get_queue_properties(),
    "messages": lambda _, plane: plane.queue(ACCOUNT, "q").peek_messages(),
    "blobs": lambda _, plane: first_of(plane.blobs(ACCOUNT).get_container_client("c").list_blobs()),
    "blobs by a SAS": lambda _, plane: first_of(plane.signed_container(SIGNED).list_blobs()),
}


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """What notices any request that leaves the process, and refuses it."""
    proxy = Proxy()
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "")
        yield proxy


@contextlib.asynccontextmanager
async def asking(fence: Fence) -> AsyncIterator[tuple[Clients, DataPlane]]:
    clients = Clients(Anybody(), TurnedClock(), fence)
    plane = DataPlane(clients)
    try:
        yield clients, plane
    finally:
        await plane.close()
        await clients.close()


@pytest.mark.parametrize("what", WRITES)
async def test_a_write_of_who_does_not_lead_is_not_sent(proxy: Proxy, what: str) -> None:
    async with asking(closed) as (clients, plane):
        with pytest.raises(NotLeading):
            await WRITES[what](clients, plane)

    assert proxy.hosts == set()


@pytest.mark.parametrize("what", WRITES)
async def test_a_write_of_the_leader_is_sent(proxy: Proxy, what: str) -> None:
    asked: list[str] = []
    async with asking(lambda: asked.append(what)) as (clients, plane):
        await sent(WRITES[what](clients, plane), proxy)

    assert asked


@pytest.mark.parametrize("what", LOOKS)
async def test_a_look_of_who_does_not_lead_is_sent(proxy: Proxy, what: str) -> None:
    async with asking(closed) as (clients, plane):
        await sent(LOOKS[what](clients, plane), proxy)


async def test_a_write_is_kept_back_where_the_lease_passes_while_it_gets_its_connection() -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        content = await reader.read()
        writer.close()
        await writer.wait_closed()
        received.put_nowait(content)

    asked: list[str] = []

    def closing() -> None:
        asked.append("")
        if len(asked) > 1:
            closed()

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/c?sv=1&sig=x"
        async with asking(closing) as (_, plane):
            with pytest.raises(NotLeading):
                await plane.signed_container(SecretUrl(url)).upload_blob("b", b"x")

        assert await asyncio.wait_for(received.get(), 30) == b""


async def test_each_sending_of_a_request_has_an_id_of_its_own_and_of_this_process() -> None:
    request = PipelineRequest(HttpRequest("GET", "https://a.example"), PipelineContext(None))
    ids = []
    for _ in range(2):
        WriteFence(closed).on_request(request)
        ids.append(request.http_request.headers["x-ms-client-request-id"])

    assert ids[0] != ids[1]
    assert {str(uuid.UUID(each))[-12:] for each in ids} == {PROCESS}
    with correlated() as step:
        assert step.endswith(PROCESS)


async def sent(request: Awaitable[Any], proxy: Proxy) -> None:
    """Wait until *request* has left the process, and end it before it is sent again."""
    future = asyncio.ensure_future(request)
    await asyncio.wait_for(proxy.asked_for(1), 30)
    future.cancel()
    with contextlib.suppress(asyncio.CancelledError, AzureError):
        await future


class TokenAsked(Exception):
    """A request is about to leave: only its token is missing."""


class NoToken:
    def get_token(self, *_scopes: str, **_options: object) -> Any:
        raise TokenAsked


STORE_WRITES: dict[str, Callable[[Places], object]] = {
    "put": lambda places: places.data.put_new("a", b"x"),
    "delete": lambda places: places.control.delete("a"),
    "delete some": lambda places: places.data.delete_all(["a"]),
}


@pytest.fixture
def stores() -> Iterator[RepositoryStores]:
    stores = RepositoryStores(NoToken(), closed)
    yield stores
    stores.close()


@pytest.mark.parametrize("what", STORE_WRITES)
async def test_nothing_is_put_into_a_repository_or_deleted(
    stores: RepositoryStores, what: str
) -> None:
    with pytest.raises(NotLeading):
        await stores.ask(ready_repository(), STORE_WRITES[what])


async def test_no_control_container_is_made(stores: RepositoryStores) -> None:
    with pytest.raises(NotLeading):
        await stores.make_control(ready_repository())


async def test_a_repository_is_read_all_the_same(stores: RepositoryStores) -> None:
    with pytest.raises(TokenAsked):
        await stores.ask(ready_repository(), lambda places: places.control.get("header"))
