"""Tests can hold a write before or after it is applied, and have requests refused."""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from azure_simulator.interventions import Fault, Match
from tests.contract.simulator_storage.cloud import ACCOUNT, ACCOUNT_ID, Cloud

pytestmark = pytest.mark.azurite

MIB = 1024 * 1024
URL = f"https://{ACCOUNT}.blob.core.windows.net"


@pytest.fixture
def container(cloud: Cloud) -> Iterator[ContainerClient]:
    somebody = cloud.principal(("Storage Blob Data Contributor", ACCOUNT_ID))
    with ContainerClient(URL, "data", somebody, **cloud.options) as client:
        yield client


async def hold(cloud: Cloud, name: str, when: Literal["before", "after"]) -> str:
    match = Match.parse({"service": "blob", "method": "PUT", "path": name})
    return cloud.interventions.hold(match, when)


async def release(cloud: Cloud, hold_id: str) -> None:
    cloud.interventions.release(hold_id)


def wait_until_caught(cloud: Cloud, hold_id: str) -> None:
    deadline = time.monotonic() + 60
    while cloud.interventions.caught(hold_id) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("when", "applied"), [("before", False), ("after", True)])
def test_a_held_write_is_applied_or_not(
    cloud: Cloud,
    container: ContainerClient,
    *,
    when: Literal["before", "after"],
    applied: bool,
) -> None:
    name = str(uuid.uuid4())
    hold_id = cloud.run(hold(cloud, name, when))

    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(container.upload_blob, name, b"x" * 1024 * 1024)
        try:
            wait_until_caught(cloud, hold_id)
            assert container.get_blob_client(name).exists() is applied
            assert not written.done()
        finally:
            cloud.run(release(cloud, hold_id))
        written.result(60)

    assert container.get_blob_client(name).exists()


def cut_short(
    cloud: Cloud,
    name: str,
    token: str,
    length: int,
    body: bytes,
    before_the_end: Callable[[], None],
) -> None:
    """Begin to put a blob of *length* bytes, send *body* of it, and hang up."""
    host = f"{ACCOUNT}.blob.core.windows.net"
    head = (
        f"PUT /data/{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        f"x-ms-version: 2026-06-06\r\nx-ms-blob-type: BlockBlob\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    proxy_host, _, proxy_port = cloud.proxy.removeprefix("http://").partition(":")
    with socket.create_connection((proxy_host, int(proxy_port))) as plain:
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        assert plain.recv(4096).startswith(b"HTTP/1.1 200")
        context = ssl.create_default_context(cafile=cloud.ca)
        with context.wrap_socket(plain, server_hostname=host) as secure:
            secure.sendall(head.encode() + body)
            before_the_end()


def test_a_write_that_is_cut_short_is_never_applied(
    cloud: Cloud, container: ContainerClient
) -> None:
    name = str(uuid.uuid4())
    token = cloud.principal(("Storage Blob Data Contributor", ACCOUNT_ID)).get_token().token

    cut_short(cloud, name, token, 8 * MIB, bytes(MIB), lambda: time.sleep(0.3))

    deadline = time.monotonic() + 60
    while not cloud.entries(path=f"/data/{name}", method="PUT"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not container.get_blob_client(name).exists()


def test_a_write_whose_sender_died_while_it_was_held_before_is_never_applied(
    cloud: Cloud, container: ContainerClient
) -> None:
    name = str(uuid.uuid4())
    hold_id = cloud.run(hold(cloud, name, "before"))
    token = cloud.principal(("Storage Blob Data Contributor", ACCOUNT_ID)).get_token().token
    cut_short(cloud, name, token, 1, b"x", lambda: wait_until_caught(cloud, hold_id))
    deadline = time.monotonic() + 60
    while not cloud.interventions.gone(hold_id):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cloud.run(release(cloud, hold_id))
    while not cloud.entries(path=f"/data/{name}", method="PUT"):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    (entry,) = cloud.entries(path=f"/data/{name}", method="PUT")
    assert entry["detail"]["error"] == "CallerGone"
    assert not container.get_blob_client(name).exists()


async def fail(cloud: Cloud, name: str) -> str:
    match = Match.parse({"service": "blob", "path": name})
    return cloud.interventions.fail(Fault(match, 503, {"Retry-After": "1"}, None, 1))


def test_a_fault_answers_in_place_of_the_account(cloud: Cloud, container: ContainerClient) -> None:
    name = str(uuid.uuid4())
    cloud.run(fail(cloud, name))

    with pytest.raises(HttpResponseError) as refused:
        container.upload_blob(name, b"x")
    container.upload_blob(name, b"x")

    assert refused.value.status_code == 503
    assert [entry["status"] for entry in cloud.entries(path=f"/data/{name}")] == [503, 201]
