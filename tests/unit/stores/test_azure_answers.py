"""What a store makes of answers that a blob service seldom gives, scripted one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest
from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving
from vmbackup_core.errors import TransientError
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client
from vmbackup_core.stores.patience import Patience
from vmbackup_core.stores.port import (
    UNREADABLE_NOW,
    AccountRefuses,
    AlreadyStored,
    CredentialsRefused,
    NotDeleted,
    ObjectUnreadable,
    Store,
)


@dataclass
class Script:
    """One answer for each method: status, code and content; *store* asks who gives them.

    A listing may have an answer of its own, as LIST, and so may a version, by its id.
    """

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
            query = parse_qs(urlsplit(self.path).query)
            asked = "LIST" if query.get("comp") == ["list"] else query.get("versionid", [""])[0]
            status, code, content = playing.answers.get(asked) or playing.answers[self.command]
            self.send_response(status)
            if code:
                self.send_header("x-ms-error-code", code)
            if asked == "LIST":
                self.send_header("Content-Type", "application/xml")
            if status == HTTPStatus.PARTIAL_CONTENT:
                size = len(content)
                self.send_header("Content-Range", f"bytes 0-{size - 1}/{size}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815 - the server's names

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


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "InsufficientAccountPermissions"),
        (403, "AccountIsDisabled"),
        (507, ""),
    ],
)
def test_an_account_that_refuses_whoever_asks_is_told_as_that_and_credentials_are_not_blamed(
    script: Script, call: str, status: int, code: str
) -> None:
    script.answers = dict.fromkeys(("GET", "HEAD", "PUT"), (status, code, b""))

    with pytest.raises(AccountRefuses, match=f"status {status}.*the account itself") as refused:
        CALLS[call](script.store)

    assert refused.value.reason == "AccountRefuses"
    assert not isinstance(refused.value, CredentialsRefused)
    assert isinstance(refused.value, UNREADABLE_NOW)


@pytest.mark.parametrize("head", [200, 403, 503])
def test_the_refusal_to_overwrite_says_that_the_name_is_taken(script: Script, head: int) -> None:
    """Whether or not the caller may look at it."""
    script.answers = {"PUT": (403, "UnauthorizedBlobOverwrite", b""), "HEAD": (head, "", b"")}

    with pytest.raises(AlreadyStored):
        script.store.put_new("p/1", b"content")


def test_a_refusal_of_any_other_word_is_looked_at(script: Script) -> None:
    """Azurite says that the permission is lacking where Azure says that the name is taken."""
    refusal = (403, "AuthorizationPermissionMismatch", b"")
    script.answers = {"PUT": refusal, "HEAD": (200, "", b"")}
    with pytest.raises(AlreadyStored):
        script.store.put_new("p/1", b"content")

    script.answers = {"PUT": refusal, "HEAD": (404, "BlobNotFound", b"")}
    with pytest.raises(CredentialsRefused):
        script.store.put_new("p/1", b"content")


def test_a_refusal_that_could_not_be_looked_at_is_no_refusal_yet(script: Script) -> None:
    script.answers = {
        "PUT": (403, "AuthorizationPermissionMismatch", b""),
        "HEAD": (503, "ServerBusy", b""),
    }

    with pytest.raises(TransientError, match="looking for p/1 in account/container"):
        script.store.put_new("p/1", b"content")
    assert script.asked == ["PUT", "HEAD"] * 2


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


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AuthorizationFailure"), (500, "InternalError"), (503, "ServerBusy")]
)
def test_a_refused_or_failing_service_is_unreadable_now(
    script: Script, status: int, code: str
) -> None:
    script.answers["GET"] = (status, code, b"")

    for call in ("get", "get_range", "list"):
        with pytest.raises(UNREADABLE_NOW):
            CALLS[call](script.store)


def test_a_condition_that_is_not_met_is_a_name_that_is_taken(script: Script) -> None:
    script.answers["PUT"] = (412, "ConditionNotMet", b"")

    with pytest.raises(AlreadyStored):
        script.store.put_new("p/1", b"content")


@pytest.mark.parametrize("code", ["BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"])
def test_locked_objects_come_back_from_a_deletion(script: Script, code: str) -> None:
    script.answers["DELETE"] = (409, code, b"")

    kept = script.store.delete_all(["p/1", "p/2"])

    assert kept == [NotDeleted("p/1", code), NotDeleted("p/2", code)]


def listed(*blobs: tuple[str, str, bool]) -> bytes:
    rows = "".join(
        f"<Blob><Name>{name}</Name><VersionId>{version}</VersionId>"
        f"{'<IsCurrentVersion>true</IsCurrentVersion>' if current else ''}"
        "<Properties><Content-Length>1</Content-Length><BlobType>BlockBlob</BlobType></Properties>"
        "</Blob>"
        for name, version, current in blobs
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="container">'
        f"<Blobs>{rows}</Blobs><NextMarker /></EnumerationResults>"
    ).encode()


@pytest.mark.parametrize(("tier", "archived"), [("Hot", False), ("Archive", True)])
def test_a_listing_says_what_is_archived(script: Script, tier: str, *, archived: bool) -> None:
    stored = listed(("p/1", "2026-01-01", True)).replace(
        b"</BlobType>", f"</BlobType><AccessTier>{tier}</AccessTier>".encode()
    )
    script.answers["LIST"] = (200, "", stored)

    (found,) = script.store.list("p/")

    assert (found.name, found.size_bytes, found.archived) == ("p/1", 1, archived)


def test_earlier_versions_come_the_oldest_first_and_within_their_bound(script: Script) -> None:
    script.answers = {
        "LIST": (
            200,
            "",
            listed(
                ("header", "2026-01-03", True),
                ("header", "2026-01-02", False),
                ("header", "2026-01-01", False),
                ("header", "2026-01-00", False),
                ("header-00000002", "2025-01-01", True),
            ),
        ),
        "2026-01-00": (206, "", b"far too long"),
        "2026-01-01": (206, "", b"oldest"),
        "2026-01-02": (206, "", b"older"),
    }

    assert list(script.store.versions("header", most=6)) == [b"oldest", b"older"]


def test_earlier_versions_are_there_for_whoever_knows_a_name_that_was_deleted(
    script: Script,
) -> None:
    script.answers = {
        "LIST": (200, "", listed(("header", "2026-01-01", False))),
        "2026-01-01": (206, "", b"oldest"),
    }

    assert list(script.store.versions("header", most=100)) == [b"oldest"]
