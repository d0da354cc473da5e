"""The id that ties the requests of one step together, here and in Azure's activity log."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from typing_extensions import override

_HEADER = "x-ms-correlation-request-id"
_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


@contextmanager
def correlated() -> Iterator[str]:
    """Give everything that is asked of Azure inside one id of its own; return it for the log."""
    identity = str(uuid.uuid4())
    token = _current.set(identity)
    try:
        yield identity
    finally:
        _current.reset(token)


class CorrelationPolicy(SansIOHTTPPolicy[Any, Any]):
    """Sends the id along."""

    @override
    def on_request(self, request: PipelineRequest[Any]) -> None:
        identity = _current.get()
        if identity is not None:
            request.http_request.headers[_HEADER] = identity
