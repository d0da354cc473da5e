"""The ids by which requests are found again in Azure's logs: of one step, and of one process."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from typing_extensions import override

#: How every id of a request ends that this process sends, and none of another's: Azure's logs keep
#: the ids, of Resource Manager's requests and of storage's, so they tell which operator asked.
PROCESS = secrets.token_hex(6)

_STEP = "x-ms-correlation-request-id"
_REQUEST = "x-ms-client-request-id"
_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def new_id() -> str:
    """Return an id that no other request has, and that ends in this process's own digits."""
    return f"{str(uuid.uuid4())[: -len(PROCESS)]}{PROCESS}"


@contextmanager
def correlated() -> Iterator[str]:
    """Give everything that is asked of Azure inside one id of its own; return it for the log."""
    identity = new_id()
    token = _current.set(identity)
    try:
        yield identity
    finally:
        _current.reset(token)


def mark(request: PipelineRequest[Any]) -> None:
    """Give *request* an id of its own: each time that it is sent."""
    request.http_request.headers[_REQUEST] = new_id()


class CorrelationPolicy(SansIOHTTPPolicy[Any, Any]):
    """Sends the id of the step along."""

    @override
    def on_request(self, request: PipelineRequest[Any]) -> None:
        identity = _current.get()
        if identity is not None:
            request.http_request.headers[_STEP] = identity
