"""The hosts of storage accounts: one `StorageFront` for all blobs, another for all queues.

Takes requests from the gateway, lets tests intervene, streams answers, keeps the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from azure_simulator.interventions import Call, CallerGone, Fault, Interventions
from azure_simulator.journal import Journal
from azure_simulator.storage.answers import Reply
from azure_simulator.storage.data_plane import DataPlane, Received
from azure_simulator.storage.operations import StorageService
from azure_simulator.storage.wire import (
    StorageError,
    common_headers,
    error_response,
    hung_up,
    query_pairs,
    raw_path,
    raw_query,
    without_signature,
)

_PIECE = 256 * 1024


@dataclass(slots=True)
class Outcome:
    """What a request comes to: a *reply*, or a *refusal*; *sent* counts the body's bytes."""

    reply: Reply | None
    refusal: web.Response
    error: str = ""
    sent: int = 0

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.refusal.status if self.reply is None else self.reply.status


class StorageFront:
    """Answers for one service of every account."""

    def __init__(
        self,
        service: StorageService,
        data_plane: DataPlane,
        interventions: Interventions,
        journal: Journal,
    ) -> None:
        self._service: StorageService = service
        self._server = f"Windows-Azure-{service.capitalize()}/1.0 Microsoft-HTTPAPI/2.0"
        self._data_plane = data_plane
        self._interventions = interventions
        self._journal = journal

    async def answer(self, request: web.BaseRequest, caller: str, host: str) -> web.StreamResponse:
        """Answer *request* and record what it did to which object."""
        received = _received(self._service, request, host)
        path, query = unquote(raw_path(request)), without_signature(request)
        call = Call(self._service, request.method, host, path, query, lambda: hung_up(request))
        outcome = Outcome(None, web.Response(status=499), "CallerGone")
        try:
            outcome = await self._interventions.around(
                call, lambda: self._outcome(request, received), _faulty
            )
            return await self._send(request, outcome)
        except (CallerGone, ConnectionError):
            return outcome.refusal
        finally:
            if outcome.reply is not None and outcome.reply.upstream is not None:
                outcome.reply.upstream.release()
            self._journal.record(
                service=self._service,
                caller=caller,
                method=request.method,
                host=host,
                path=path,
                query=query,
                status=outcome.status,
                identity=received.granted.object_id if received.granted else "",
                received_bytes=received.bytes_read,
                sent_bytes=outcome.sent,
                client_id=received.headers.get("x-ms-client-request-id", ""),
                **_detail(received, outcome),
            )

    async def _outcome(self, request: web.BaseRequest, received: Received) -> Outcome:
        try:
            reply = await self._data_plane.answer(received)
        except StorageError as error:
            headers = common_headers(request, self._server)
            refusal = error_response(error, headers, head=request.method == "HEAD")
            return Outcome(None, refusal, error.code)
        return Outcome(reply, web.Response(), reply.headers.get("x-ms-error-code", ""))

    async def _send(self, request: web.BaseRequest, outcome: Outcome) -> web.StreamResponse:
        reply = outcome.reply
        if reply is None:
            return outcome.refusal
        headers = {**common_headers(request, self._server), **reply.headers}
        headers["Server"] = self._server
        response = web.StreamResponse(status=reply.status, headers=headers)
        await response.prepare(request)
        try:
            await _stream(reply, response, outcome)
        except aiohttp.ClientError:
            if request.transport is not None:  # the body ends early: let the client see it
                request.transport.close()
        return response


async def _stream(reply: Reply, response: web.StreamResponse, outcome: Outcome) -> None:
    if reply.body:
        await response.write(reply.body)
        outcome.sent = len(reply.body)
    if reply.upstream is not None:
        async for piece in reply.upstream.content.iter_chunked(_PIECE):
            await response.write(piece)
            outcome.sent += len(piece)
    await response.write_eof()


def _received(service: StorageService, request: web.BaseRequest, host: str) -> Received:
    connection = request.transport.get_extra_info("ssl_object") if request.transport else None
    return Received(
        service=service,
        account=host.partition(".")[0],
        method=request.method,
        path=raw_path(request),
        query=query_pairs(raw_query(request)),
        headers=request.headers,
        content=request.content.iter_any().__aiter__(),
        connection=connection,
    )


def _faulty(fault: Fault) -> Outcome:
    return Outcome(None, fault.response(), "Fault")


def _detail(received: Received, outcome: Outcome) -> dict[str, object]:
    target, headers = received.target, received.headers
    md5 = headers.get("Content-MD5") or headers.get("x-ms-blob-content-md5")
    return {
        "account": received.account,
        "operation": target.operation.name if target else "",
        "container": target.container if target else "",
        "object": target.item if target else "",
        "content_md5": md5,
        "scheme": received.granted.scheme if received.granted else "",
        "error": outcome.error,
    }
