"""Resource Manager as requests meet it: it takes its time, counts, and refuses by 429.

The product's own pacing sends every request. Azure's side counts for itself, by the same published
figures and by those of the Compute provider, and says Retry-After where a bucket is empty.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineContext, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import HttpRequest
from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import TransientError
from vmbackup_operator.services.failures import retry_after_s
from vmbackup_operator.services.pacing import PacingPolicy, scope_of
from vmbackup_operator.services.token_buckets import Class, Limit, TokenBuckets, class_of

_HOST = "https://management.azure.com"
_OK, _TOO_MANY = 200, 429

#: How long Azure takes to answer; an assumption, reads and everything else.
READ_S, WRITE_S = 0.1, 0.2

#: Resource Manager's limits for a subscription and region, by size and what a second adds.
ARM: Mapping[Class, Limit] = {
    "reads": Limit(250, 25),
    "writes": Limit(200, 10),
    "deletes": Limit(200, 10),
}

#: Compute's own limits for a subscription and region, each three times what a minute adds.
COMPUTE: Mapping[Class, Limit] = {
    "reads": Limit(24_000, 8_000 / 60),
    "writes": Limit(1_500, 500 / 60),
    "deletes": Limit(1_500, 500 / 60),
}


@dataclass
class _Filling:
    limit: Limit
    tokens: float
    at_s: float

    def take(self, now_s: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        gained = (now_s - self.at_s) * self.limit.per_s
        self.tokens, self.at_s = min(self.limit.size, self.tokens + gained), now_s
        if self.tokens < 1:
            return (1 - self.tokens) / self.limit.per_s
        self.tokens -= 1
        return 0


@dataclass
class AzuresCount:
    """What Azure has counted; *compute* holds for VMs by region, in this bench by one."""

    clock: Clock
    arm: Mapping[Class, Limit] = field(default_factory=lambda: ARM)
    compute: Mapping[Class, Limit] = field(default_factory=lambda: COMPUTE)
    _buckets: dict[tuple[str, str], _Filling] = field(default_factory=dict)

    def refused_for_s(self, method: str, url: str) -> float:
        """Count the request, and return 0, or the seconds that Azure asks for instead."""
        scope, now_s = scope_of(method, url), self.clock.monotonic_s()
        asked = [self._bucket("arm", scope.class_, self.arm, now_s)]
        if "/virtualmachines" in url.lower():
            asked.append(self._bucket("compute", scope.class_, self.compute, now_s))
        return max(bucket.take(now_s) for bucket in asked)

    def _bucket(
        self, whose: str, of: Class, limits: Mapping[Class, Limit], now_s: float
    ) -> _Filling:
        made = _Filling(limits[of], limits[of].size, now_s)
        return self._buckets.setdefault((whose, of), made)


@dataclass(frozen=True)
class _Answer:
    """An answer, as far as pacing and the SDK's errors look at it."""

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def text(self) -> str:
        code = "TooManyRequests" if self.status_code == _TOO_MANY else ""
        return json.dumps({"error": {"code": code, "message": "slower"}})

    def body(self) -> bytes:
        return self.text().encode()

    async def read(self) -> bytes:
        return self.body()


class _Azure(AsyncHTTPPolicy[Any, Any]):
    """The last of the policies: Azure itself."""

    def __init__(self, count: AzuresCount) -> None:
        super().__init__()
        self._count = count
        self.requests: Counter[str] = Counter()
        self.before_retry_after: int | None = None

    @override
    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        method, url = request.http_request.method, request.http_request.url
        await asyncio.sleep(READ_S if class_of(method) == "reads" else WRITE_S)
        wait_s = self._count.refused_for_s(method, url)
        if wait_s > 0 and self.before_retry_after is None:
            self.before_retry_after = self.requests.total()
        self.requests[class_of(method)] += 1
        answer = _Answer(_OK)
        if wait_s > 0:
            self.requests["refused"] += 1
            answer = _Answer(_TOO_MANY, {"Retry-After": str(math.ceil(wait_s))})
        return PipelineResponse(request.http_request, answer, request.context)


class ResourceManager:
    """Sends requests by the product's pacing, and counts what came of them."""

    def __init__(self, clock: Clock, count: AzuresCount | None = None) -> None:
        self._azure = _Azure(count or AzuresCount(clock))
        self._pacing = PacingPolicy(TokenBuckets(clock))
        self._pacing.next = self._azure
        self.kinds: Counter[str] = Counter()

    @property
    def requests(self) -> Counter[str]:
        """How many requests there were by class, and how many of them were refused."""
        return self._azure.requests

    @property
    def before_retry_after(self) -> int | None:
        """How many requests went well before the first 429; None where there was none."""
        return self._azure.before_retry_after

    async def send(self, method: str, resource: str, kind: str) -> None:
        """Send one request; raise TransientError where limits let it not pass."""
        self.kinds[f"{method} {kind}"] += 1
        request = PipelineRequest(HttpRequest(method, _HOST + resource), PipelineContext(None))
        answer = (await self._pacing.send(request)).http_response
        if answer.status_code == _TOO_MANY:
            seconds = retry_after_s(HttpResponseError(response=answer))
            raise TransientError("Azure: too many requests", retry_after_s=seconds)
