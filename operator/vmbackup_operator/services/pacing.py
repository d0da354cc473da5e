"""Sends each request to Resource Manager when Azure's limits allow it, and again where that helps.

A reconcile waits a moment and is then told when to come back; an operation in the background, for
which nobody waits, waits as long as it takes. Both stand in line, each in their own: two at a time
look for a token, however many wait, so that neither kind comes behind all of the other's.
"""

from __future__ import annotations

import asyncio
import io
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from typing_extensions import override

from vmbackup_core.errors import TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.metrics.arm_counts import UNREACHED, ArmCounts, code_of
from vmbackup_operator.services.failures import code_and_message, retry_after_s
from vmbackup_operator.services.operations import is_unhurried
from vmbackup_operator.services.token_buckets import Scope, TokenBuckets, class_of

Sleep = Callable[[float], Awaitable[None]]

# A reconcile's step waits for Azure no longer than about two seconds, once it is its turn.
_HURRIED_WAIT_S = 1.0
_UNHURRIED_WAIT_S = 600.0

_SENT_AT_MOST = 3
_BACK_OFF_S = 0.3
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_TOO_MANY = 429

#: What counts requests for all of Resource Manager; a provider's own limit says so by this header.
_REMAINING = "x-ms-ratelimit-remaining-subscription-{}"
_OF_PROVIDER = "x-ms-ratelimit-remaining-resource"

#: These 429 are about one resource that something else is at: there is no lack of requests.
_BUSY = frozenset({"retryableerror", "retryableerrorduetoanotheroperation"})


@dataclass(frozen=True, slots=True)
class _Pause:
    scope: Scope
    seconds: float


class PacingPolicy(AsyncHTTPPolicy[Any, Any]):
    """Waits for a token, sends, heeds what the answer says of limits, and sends again."""

    def __init__(
        self,
        buckets: TokenBuckets,
        sleep: Sleep = asyncio.sleep,
        counts: ArmCounts | None = None,
    ) -> None:
        super().__init__()
        self._buckets = buckets
        self._sleep = sleep
        self._counts = ArmCounts() if counts is None else counts
        #: Where reconciles stand in line, and operations; a provider that is left alone holds up
        #: no other's.
        self._lines: defaultdict[tuple[Scope, bool], asyncio.Lock] = defaultdict(asyncio.Lock)

    @override
    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        scope = scope_of(request.http_request.method, request.http_request.url)
        for sent in range(1, _SENT_AT_MOST + 1):
            await self._wait_for_token(scope)
            response = await self._send(scope, request)
            await self._heed(scope, response)
            again_s = _send_again_in_s(response, sent)
            if again_s is None:
                return response
            await self._sleep(again_s)
            _rewind(request)
        raise AssertionError("the last one is always returned")

    async def _send(
        self, scope: Scope, request: PipelineRequest[Any]
    ) -> PipelineResponse[Any, Any]:
        """Send and count the request, whatever comes of it."""
        code = UNREACHED
        try:
            response = await self.next.send(request)
            code = code_of(response.http_response.status_code)
        finally:
            self._counts.sent(scope.class_, code)
        return response

    async def _wait_for_token(self, scope: Scope) -> None:
        """Stand in line for a token.

        A reconcile's line is as long as the work queue has workers, some requests each: whoever
        were sent away from it would have to make again what its look has read already.
        """
        unhurried = is_unhurried()
        async with self._lines[scope, unhurried]:
            await self._take_token(scope, _UNHURRIED_WAIT_S if unhurried else _HURRIED_WAIT_S)

    async def _take_token(self, scope: Scope, left_s: float) -> None:
        wait_s = self._buckets.take(scope)
        if wait_s > 0:
            self._counts.waits_for(scope.class_)
        while wait_s > 0:
            if wait_s > left_s:
                what = f"{scope.provider or 'Resource Manager'}'s {scope.class_}"
                raise TransientError(
                    f"subscription {scope.subscription}: Azure's limit of {what} is reached",
                    retry_after_s=wait_s,
                )
            await self._sleep(wait_s)
            self._counts.waited(scope.class_, wait_s)
            left_s -= wait_s
            wait_s = self._buckets.take(scope)

    async def _heed(self, scope: Scope, response: PipelineResponse[Any, Any]) -> None:
        answer = response.http_response
        said = str(answer.headers.get(_REMAINING.format(scope.class_), ""))
        if said.isdigit():
            self._buckets.see_remaining(scope, int(said))
        if answer.status_code == _TOO_MANY:
            await answer.read()
            pause = pause_after(scope, HttpResponseError(response=answer))
            if pause is not None:
                self._buckets.pause(pause.scope, pause.seconds)


def scope_of(method: str, url: str) -> Scope:
    """Return what Azure counts the request among."""
    parts = folded(urlsplit(url).path).strip("/").split("/")
    subscription = parts[1] if parts[0] == "subscriptions" and len(parts) > 1 else ""
    providers = [name for word, name in pairwise(parts) if word == "providers"]
    return Scope(subscription, class_of(method), providers[-1] if providers else "")


def pause_after(scope: Scope, error: HttpResponseError) -> _Pause | None:
    """Return what a 429 asks to be left alone, and for how long."""
    seconds = retry_after_s(error)
    code, _ = code_and_message(error)
    if seconds is None or folded(code) in _BUSY:
        return None
    headers = getattr(error.response, "headers", {})
    # Compute refuses in the name of a policy of its own, by this code or with this header.
    of_provider = _OF_PROVIDER in headers or code == "OperationNotAllowed"
    return _Pause(scope if of_provider else Scope(scope.subscription, scope.class_), seconds)


def _send_again_in_s(response: PipelineResponse[Any, Any], sent: int) -> float | None:
    """Return how soon to send again what passes by itself, None where that is left to the caller.

    Every request of ours may be sent twice: what it asks for is asked for once.
    """
    answer = response.http_response
    if answer.status_code not in _PASSING_STATUSES or sent == _SENT_AT_MOST:
        return None
    said = retry_after_s(HttpResponseError(response=answer))
    seconds = _BACK_OFF_S * sent if said is None else said
    longest_s = _UNHURRIED_WAIT_S if is_unhurried() else _HURRIED_WAIT_S
    return seconds if seconds <= longest_s else None


def _rewind(request: PipelineRequest[Any]) -> None:
    content = getattr(request.http_request, "content", None)
    if isinstance(content, io.IOBase):
        content.seek(0)
