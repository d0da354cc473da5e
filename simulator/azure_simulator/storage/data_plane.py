"""What an account answers: Azure's checks first, then Azurite's answer under the account's key."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import aiohttp

from azure_simulator.resources import Resource, Resources
from azure_simulator.storage import blob_operations, queue_operations, rules, versioned_blobs
from azure_simulator.storage.accounts import AzuriteAccounts
from azure_simulator.storage.answers import Reply
from azure_simulator.storage.archived_blobs import ArchivedBlobs
from azure_simulator.storage.authorization import Asked, Authorizer, Granted
from azure_simulator.storage.being_deleted import QueuesBeingDeleted
from azure_simulator.storage.checksums import OF_DOCUMENTS, check_md5
from azure_simulator.storage.delegation import DelegationKeys, key_request
from azure_simulator.storage.operations import COPY_SOURCE, StorageService, Target
from azure_simulator.storage.sas import SAS_PARAMETERS
from azure_simulator.storage.upstream import NEWEST_VERSION, Account, Forwarded, Upstream
from azure_simulator.storage.wire import (
    StorageError,
    authentication_failed,
    checked_version,
    not_simulated,
)

_LONGEST_KEY_REQUEST = 64 * 1024
#: A list of 50,000 blocks, which is the longest, has about half of it.
_LONGEST_DOCUMENT = 16 * 1024 * 1024
# Credentials and what belongs to one connection are not sent on.
_KEPT_BACK = frozenset(
    [
        "authorization",
        "connection",
        "date",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-ms-date",
    ]
)
_CONDITIONS = frozenset(("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"))
_TAKEN = ("BlobAlreadyExists", "ConditionNotMet")


@dataclass(slots=True)
class Received:
    """A request to one service of an account; what becomes known of it is for the journal.

    *document* is its body where that was read before it is sent on.
    """

    service: StorageService
    account: str
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    content: AsyncIterator[bytes]
    connection: ssl.SSLObject | ssl.SSLSocket | None
    bytes_read: int = 0
    document: bytes | None = None
    target: Target | None = None
    granted: Granted | None = None

    @property
    def has_body(self) -> bool:
        """Whether bytes follow the headers."""
        return self.headers.get("Content-Length", "0") != "0"

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body and count it."""
        async for piece in self.content:
            self.bytes_read += len(piece)
            yield piece

    async def read(self, most_bytes: int) -> bytes:
        """Return the whole body; raise where it is longer."""
        read = bytearray()
        async for piece in self.body():
            read += piece
            if len(read) > most_bytes:
                raise StorageError(413, "RequestBodyTooLarge", "The request body is too large.")
        return bytes(read)


@dataclass(frozen=True, slots=True)
class DoneInTime:
    """What Azure takes its time for, and Azurite does at once."""

    queues: QueuesBeingDeleted
    blobs: ArchivedBlobs


class DataPlane:
    """Answers for every account; raises StorageError for a refusal."""

    def __init__(
        self,
        resources: Resources,
        accounts: AzuriteAccounts,
        upstream: Upstream,
        authorizer: Authorizer,
        keys: DelegationKeys,
        in_time: DoneInTime,
    ) -> None:
        self._resources = resources
        self._accounts = accounts
        self._upstream = upstream
        self._authorizer = authorizer
        self._keys = keys
        self._deleted, self._archived = in_time.queues, in_time.blobs
        self._versioned = versioned_blobs.VersionedBlobs(resources)

    async def answer(self, received: Received) -> Reply:
        """Check the request, have it done and return the answer."""
        resource = rules.account_resource(self._resources, received.account)
        account = self._accounts.find(received.account)
        if account is None:
            raise rules.no_such_account()
        rules.check_transport(resource, received.connection)
        _check_length(received)
        asked = self._asked(received, resource.id)
        received.target = asked.target
        account_keys = rules.accepted_keys(resource, account.key)
        received.granted = self._authorizer.grant(asked, account_keys)
        rules.check_public_access(resource, received.headers)
        rules.check_simulated(asked.fields, received.headers, asked.target.operation.name)
        if asked.target.operation.name == "GetUserDelegationKey":
            return await self._delegation_key(received, asked)
        await _check_document(received, asked)
        if received.service == "blob":
            return await self._of_blobs(resource, account, received, asked)
        self._deleted.check(received.account, asked.target)
        reply = await self._forward(account, _forwarded(received, asked), received.granted)
        self._deleted.note(received.account, asked.target, reply.headers)
        return reply

    async def _of_blobs(
        self, resource: Resource, account: Account, received: Received, asked: Asked
    ) -> Reply:
        granted = received.granted or Granted("token")
        of_blobs = versioned_blobs.Asked(
            resource=resource,
            account=account,
            target=asked.target,
            request=_forwarded(received, asked),
            forward=lambda request: self._forward(account, request, granted),
            new_only=granted.new_only,
        )
        return await self._archived.answer(of_blobs, lambda: self._versioned.answer(of_blobs))

    def _asked(self, received: Received, account_id: str) -> Asked:
        fields = {name.lower(): value for name, value in received.query}
        name = blob_operations.blob_target
        if received.service == "queue":
            name = queue_operations.queue_target
        target = name(received.method, received.path, fields)
        if COPY_SOURCE in received.headers:
            target = blob_operations.copying(target)
        return Asked(
            service=received.service,
            account=received.account,
            account_id=account_id,
            target=target,
            method=received.method,
            path=received.path,
            query=received.query,
            headers=received.headers,
        )

    async def _delegation_key(self, received: Received, asked: Asked) -> Reply:
        if received.granted is None or received.granted.scheme != "token":
            raise authentication_failed("Only authentication scheme Bearer is supported.")
        version = checked_version(received.headers["x-ms-version"], NEWEST_VERSION)
        if received.service == "queue" and version < "2026-02-06":
            raise not_simulated(f"a user delegation key of the queue service in {version}")
        body = await received.read(_LONGEST_KEY_REQUEST)
        identity = self._authorizer.identity(asked)
        answer = self._keys.issue(
            received.account,
            received.service,
            key_request(body, datetime.now(UTC)),
            (identity.object_id, identity.tenant_id),
            version,
        )
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(answer))}
        return Reply(200, headers, answer)

    async def _forward(self, account: Account, request: Forwarded, granted: Granted) -> Reply:
        if granted.new_only and request.method == "PUT":
            kept = {k: v for k, v in request.headers.items() if k.lower() not in _CONDITIONS}
            request = replace(request, headers={**kept, "If-None-Match": "*"})
        response = await self._send(account, request)
        if granted.new_only and response.headers.get("x-ms-error-code") in _TAKEN:
            response.release()
            raise StorageError(
                403,
                "UnauthorizedBlobOverwrite",
                "This request is not authorized to perform blob overwrites.",
            )
        headers = {k: v for k, v in response.headers.items() if k.lower() not in _KEPT_BACK}
        return Reply(response.status, headers, upstream=response)

    async def _send(self, account: Account, request: Forwarded) -> aiohttp.ClientResponse:
        try:
            return await self._upstream.send(account, request)
        except aiohttp.ClientError as error:
            raise StorageError(
                503,
                "ServerBusy",
                "The server is currently unable to receive requests. Please retry your request.",
            ) from error


def _check_length(received: Received) -> None:
    if received.method in ("PUT", "POST") and "Content-Length" not in received.headers:
        raise StorageError(
            411, "MissingContentLengthHeader", "The Content-Length header was not specified."
        )


async def _check_document(received: Received, asked: Asked) -> None:
    said = received.headers.get("Content-MD5")
    if said and asked.target.operation.name in OF_DOCUMENTS:
        received.document = await received.read(_LONGEST_DOCUMENT)
        check_md5(said, received.document)


def _forwarded(received: Received, asked: Asked) -> Forwarded:
    """Return the request as Azurite is to see it: without credentials, in a version it knows."""
    headers = {k: v for k, v in received.headers.items() if k.lower() not in _KEPT_BACK}
    query = list(received.query)
    if "sig" in asked.fields:
        query = [(name, value) for name, value in query if name.lower() not in SAS_PARAMETERS]
        if "x-ms-version" not in received.headers:
            headers["x-ms-version"] = min(asked.fields["sv"], NEWEST_VERSION)
    body = received.document or (received.body() if received.has_body else None)
    return Forwarded(received.service, received.method, received.path, query, headers, body)
