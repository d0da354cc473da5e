"""What a store makes of answers that a blob service seldom gives, scripted one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest
from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import AlreadyStored, CredentialsRefused, ObjectUnreadable, Store


@dataclass
class Script:
    """One answer for each method: status, code and content; *store* asks who gives them."""

    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def store(self) -> AzureBlobStore:
        url = f"http://127.0.0.1:{self.port}/account/container?sig=secret"
        at_once = Patience(attempts=2, pause=lambda _seconds: None)
        return AzureBlobStore(container_client(url), patience=at_once)


@pytest.fixture
def script() -> Iterator[Script]:
    playing = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            playing.asked.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, code, content = playing.answers[self.command]
            self.send_response(status)
            if code:
                self.send_header("x-ms-error-code", code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_PUT = do_HEAD = do_GET  # noqa: N815 - the server's names

    server = LoopbackServer(Handler)
    playing.port = server.port
    with serving(server):
        yield playing


CALLS: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("p/1"),
    "get_range": lambda store: store.get_range("p/1", 4, 4),
    "list": lambda store: list(store.list("p/")),
    "put_new": lambda store: store.put_new("p/1", b"content"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "NoAuthenticationInformation"),
        (403, "AuthenticationFailed"),
        (403, "AuthorizationSourceIPMismatch"),
        (403, "AWordOfNextYear"),
        (403, ""),
    ],
)
def test_whoever_is_not_let_in_needs_other_credentials_whatever_the_code(
    script: Script, call: str, status: int, code: str
) -> None:
    script.answers = dict.fromkeys(("GET", "HEAD", "PUT"), (status, code, b""))

    with pytest.raises(CredentialsRefused) as refused:
        CALLS[call](script.store)

    assert refused.value.reason == (code or "StoreRefused")
    assert "secret" not in str(refused.value)


def test_the_refusal_to_overwrite_says_that_the_name_is_taken(script: Script) -> None:
    taken = (403, "UnauthorizedBlobOverwrite", b"")
    script.answers = {"PUT": taken, "HEAD": (200, "", b""), "GET": (200, "", b"")}

    with pytest.raises(AlreadyStored):
        script.store.put_new("p/1", b"content")


def test_the_refusal_to_overwrite_asks_for_no_other_credentials(script: Script) -> None:
    """Where the worker may not even look whether the name is taken."""
    script.answers = {
        "PUT": (403, "UnauthorizedBlobOverwrite", b""),
        "HEAD": (403, "AuthorizationPermissionMismatch", b""),
    }

    with pytest.raises(PermanentError) as refused:
        script.store.put_new("p/1", b"content")

    assert not isinstance(refused.value, CredentialsRefused)
    assert refused.value.reason == "UnauthorizedBlobOverwrite"


@pytest.mark.parametrize("call", ["get", "get_range"])
def test_an_answer_without_its_range_may_pass_and_names_the_object(
    script: Script, call: str
) -> None:
    """A proxy that answers for the service, say: what it sent is not the object."""
    script.answers = {"GET": (200, "", b"something else")}

    with pytest.raises(TransientError, match="reading p/1 in account/container"):
        CALLS[call](script.store)

    assert script.asked == ["GET", "GET"]


@pytest.mark.parametrize("code", ["BlobArchived", "BlobBeingRehydrated"])
@pytest.mark.parametrize("call", ["get", "get_range"])
def test_a_blob_that_is_archived_says_nothing_of_the_others(
    script: Script, code: str, call: str
) -> None:
    script.answers = {"GET": (409, code, b"")}

    with pytest.raises(ObjectUnreadable, match=f"status 409 {code}") as refused:
        CALLS[call](script.store)
    assert refused.value.reason == code
