"""The one gate that every write to Azure passes, so that it can be closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from typing_extensions import override

from vmbackup_operator.services.correlation import mark

#: Raises where this process may not write to Azure at this moment.
Fence = Callable[[], None]

_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})


def open_fence() -> None:
    """Let everything pass: there is one operator."""


class WriteFence(SansIOHTTPPolicy[Any, Any]):
    """Asks the fence before each request that is more than a look, repeated ones too.

    Each request, looks too, is marked as this process's on the way.

    A policy for Resource Manager's clients. Those of storage leave policies out that they are
    given, without a word: they get `on_request` as their hook for requests.
    """

    def __init__(self, fence: Fence) -> None:
        super().__init__()
        self._fence = fence

    @override
    def on_request(self, request: PipelineRequest[Any]) -> None:
        self.check(request.http_request.method, request.http_request.url)
        mark(request)

    def check(self, method: str, url: str) -> None:
        """Ask the fence where a request is more than a look."""
        if not _only_looks(method, url):
            self._fence()


def _only_looks(method: str, url: str) -> bool:
    return method in _LOOKS and not _takes_messages(url)


def _takes_messages(url: str) -> bool:
    """Tell whether a GET of *url* takes messages out of a queue, hidden from others for a while."""
    parts = urlsplit(url)
    return parts.path.endswith("/messages") and "peekonly" not in parse_qs(parts.query)
