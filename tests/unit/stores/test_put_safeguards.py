"""S35: an own put that is answered 403, 409 or 412 is compared; section 34 of the format's page."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final

from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving
from tests.unit.repository.safeguards import is_seen, with_and_without
from vmbackup_core.errors import VmbackupError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import Buffer

CONTENT: Final = b"our own bytes"

#: What a blob service says of a name that is taken, by the rights of who asks.
ANSWERS: Final = {
    403: "AuthorizationPermissionMismatch",
    409: "BlobAlreadyExists",
    412: "ConditionNotMet",
}


class NeverCompares(AzureBlobStore):
    """Takes every name that is taken for another's (S35 removed)."""

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self._patience.ask(lambda _attempt: self._put_once(name, bytes(data)))


class LosingAnswers:
    """A blob service that stores what is put first, and whose answer to that is lost."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.stored: bytes | None = None

    def answer(self, method: str, body: bytes) -> tuple[int, str, bytes]:
        """Return status, code and content."""
        if method == "HEAD":
            return HTTPStatus.OK, "", b""
        if method == "GET":
            return HTTPStatus.PARTIAL_CONTENT, "", self.stored or b""
        if self.stored is not None:
            return self.status, ANSWERS[self.status], b""
        self.stored = body
        return HTTPStatus.INTERNAL_SERVER_ERROR, "OperationTimedOut", b""


def handler_of(service: LosingAnswers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, code, content = service.answer(self.command, body)
            self.send_response(status)
            if code:
                self.send_header("x-ms-error-code", code)
            if content:
                self.send_header("Content-Range", f"bytes 0-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT  # noqa: N815 - the server's names

    return Handler


def put_where_the_answer_is_lost(removed: str, status: int) -> list[str]:
    """Put once, and return why it is told to have failed although it has not."""
    service = LosingAnswers(status)
    server = LoopbackServer(handler_of(service))
    url = f"http://127.0.0.1:{server.port}/account/container?sig=secret"
    kind = NeverCompares if removed else AzureBlobStore
    with serving(server), container_client(url) as client:
        store = kind(client, patience=Patience(attempts=3, pause=lambda _seconds: None))
        try:
            store.put_new("p/1", CONTENT)
        except VmbackupError as error:
            assert service.stored == CONTENT
            return [f"what is stored is told to have failed: {error}"]
    return []


def answered_403(removed: str) -> list[str]:
    """The worker's SAS may create and not replace."""
    return put_where_the_answer_is_lost(removed, 403)


def answered_409(removed: str) -> list[str]:
    return put_where_the_answer_is_lost(removed, 409)


def answered_412(removed: str) -> list[str]:
    return put_where_the_answer_is_lost(removed, 412)


SCHEDULES: list[tuple[str, Callable[[str], list[str]]]] = [
    ("S35", answered_403),
    ("S35", answered_409),
    ("S35", answered_412),
]


@with_and_without(SCHEDULES)
def test_an_own_put_fails_only_where_it_is_not_compared(
    removed: str, schedule: Callable[[str], list[str]], *, is_lost: bool
) -> None:
    assert is_seen(schedule(removed), is_lost=is_lost)
