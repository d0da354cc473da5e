"""The one gate that every write to Azure passes, so that it can be closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from typing_extensions import override

#: Raises where this process may not write to Azure at this moment.
Fence = Callable[[], None]

_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})


def open_fence() -> None:
    """Let everything pass: there is one operator."""


class WriteFence(SansIOHTTPPolicy[Any, Any]):
    """Asks the fence before each request that is more than a look, repeated ones too."""

    def __init__(self, fence: Fence) -> None:
        super().__init__()
        self._fence = fence

    @override
    def on_request(self, request: PipelineRequest[Any]) -> None:
        if request.http_request.method not in _LOOKS:
            self._fence()
