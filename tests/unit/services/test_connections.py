"""Our clients' connections: closed with their client, and without ~/.netrc's passwords."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trustme
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError
from typing_extensions import override

from vmbackup_core.stores.azure_blob import container_client
from vmbackup_operator.services.connections import session
from vmbackup_operator.services.credentials import asynchronous_credential, ca_file

SCOPE = "https://management.azure.com/.default"
_REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Listener:
    """A TLS server that takes requests down; it refuses them, or leaves them without any answer."""

    def __init__(self, context: ssl.SSLContext, *, answers: bool) -> None:
        self._context, self._answers = context, answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self.heads: list[str] = []
        self.heard = threading.Event()
        self.url = f"https://localhost:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            with suppress(OSError):
                self._hear(self._context.wrap_socket(accepted, server_side=True))

    def _hear(self, connection: ssl.SSLSocket) -> None:
        self._held.append(connection)
        self.heads.append(connection.recv(65536).decode())
        if self._answers:
            connection.sendall(_REFUSAL)
            connection.close()
        self.heard.set()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in self._held:
            connection.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(context)
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    return context, file


@pytest.fixture(autouse=True)
def surroundings(
    monkeypatch: pytest.MonkeyPatch, authority: tuple[ssl.SSLContext, Path], tmp_path: Path
) -> None:
    """An identity by its secret, a CA of our own, no proxy, and a password for any host."""
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    for name, value in {
        "NETRC": str(tmp_path / "netrc"),
        "SSL_CERT_FILE": str(authority[1]),
        "NO_PROXY": "*",
        "AZURE_TENANT_ID": "11111111-2222-4333-8444-555555555555",
        "AZURE_CLIENT_ID": "66666666-7777-4888-8999-000000000000",
        "AZURE_CLIENT_SECRET": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)


@pytest.fixture
def silent(
    authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Listener]:
    yield from _listening(authority[0], monkeypatch, answers=False)


@pytest.fixture
def refusing(
    authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Listener]:
    yield from _listening(authority[0], monkeypatch, answers=True)


def _listening(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> Iterator[Listener]:
    """Yield a server that is where to sign in, too."""
    with closing(Listener(context, answers=answers)) as listener:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", listener.url)
        yield listener


async def _get(url: str) -> None:
    async with session() as ours:
        await ours.get(url)


async def _get_token(_url: str) -> None:
    async with asynchronous_credential() as credential:
        await credential.get_token(SCOPE)


Asks = Callable[[str], Awaitable[None]]


async def _leave(listener: Listener, ask: Asks) -> None:
    """Ask, and end the request while its answer is waited for."""
    asking = asyncio.ensure_future(ask(listener.url))
    await asyncio.to_thread(listener.heard.wait, 30)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.parametrize("ask", [_get, _get_token])
def test_a_request_that_was_ended_leaves_no_socket_behind(silent: Listener, ask: Asks) -> None:
    """Nor does the end wait for a server that never answers to a TLS connection's close."""
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(_leave(silent, ask))
        gc.collect()

    assert len(silent.heads) == 1
    assert [str(each.message) for each in met if each.category is ResourceWarning] == []


class Anybody(TokenCredential):
    @override
    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("token", 4_000_000_000)


def _sign_in(url: str) -> None:
    async def run() -> None:
        await _get_token(url)

    asyncio.run(run())


def _read_blob(url: str) -> None:
    with container_client(f"{url}/account/container", Anybody(), ca_file=ca_file()) as client:
        client.download_blob("name")


@pytest.mark.parametrize("ask", [_sign_in, _read_blob])
def test_a_password_in_netrc_is_sent_to_nobody(
    refusing: Listener, ask: Callable[[str], None]
) -> None:
    """A default entry would take the place of the token that authorises a request."""
    with pytest.raises(AzureError):
        ask(refusing.url)

    assert refusing.heads
    assert [head for head in refusing.heads if "basic " in head.lower()] == []


def test_a_blob_is_asked_for_by_our_token(refusing: Listener) -> None:
    with pytest.raises(AzureError):
        _read_blob(refusing.url)

    assert "authorization: bearer token" in refusing.heads[0].lower()
