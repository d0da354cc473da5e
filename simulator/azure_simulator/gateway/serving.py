"""HTTP/1.1 on a decrypted connection: requests go to the service behind the name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import abc, http_parser, streams, web, web_protocol

from azure_simulator.gateway.connections import Connection
from azure_simulator.gateway.names import ServiceName
from azure_simulator.gateway.reachability import Refusal
from azure_simulator.service import Service

#: ARM's signed URLs are close to 4 KB, and a header may hold two of them.
_LONGEST_LINE = 32 * 1024

#: What a service may leave unread of a body before the client is told to wait.
_READ_AHEAD_BYTES = 1024 * 1024

#: What Azure Storage says to whoever its firewall does not let in.
_NOT_AUTHORIZED = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthorizationFailure</Code>'
    "<Message>This request is not authorized to perform this operation.</Message></Error>"
)


def http_protocol(
    connection: Connection, services: Mapping[ServiceName, Service]
) -> web_protocol.RequestHandler:
    """Return the protocol that answers *connection*'s requests."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.host.partition(":")[0].lower() != connection.host:
            return web.Response(status=421, text=f"this connection is to {connection.host}")
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # aiohttp would take these bytes for the beginning of the answer.
            request.writer.output_size = 0
        if isinstance(connection.decision, Refusal):
            return _refuse(request)
        service = services[connection.decision.service]
        return await service.answer(request, connection.caller.name, connection.host)

    return web.Server(
        serve,
        request_factory=_unlimited_request,
        access_log=None,
        auto_decompress=False,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
        read_bufsize=_READ_AHEAD_BYTES,
    )()


def _refuse(request: web.BaseRequest) -> web.Response:
    return web.Response(
        status=403,
        text="" if request.method == "HEAD" else _NOT_AUTHORIZED,
        content_type="application/xml",
        headers={"x-ms-error-code": "AuthorizationFailure"},
    )


def _unlimited_request(
    message: http_parser.RawRequestMessage,
    payload: streams.StreamReader,
    protocol: web_protocol.RequestHandler,
    writer: abc.AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Make a request whose body may be of any size: limits are the services' business."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=0)
