"""Requests to Resource Manager: sent when limits allow it, and again where that helps."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline import PipelineContext, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import HttpRequest
from typing_extensions import override

from tests.unit.services.test_azure_failures import Answer, envelope
from tests.worlds.turned_clock import TurnedClock
from tools.bench.turned_time import ComputedClock, TurnedLoop
from vmbackup_core.errors import TransientError
from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.services.fence import WriteFence
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.pacing import PacingPolicy
from vmbackup_operator.services.token_buckets import LIMITS, Limit, Scope, TokenBuckets

URL = "https://management.azure.com/subscriptions/S/resourceGroups/g/providers/Microsoft.Compute"


class Answered(Answer):
    async def read(self) -> bytes:
        return self.body()


@dataclass
class Azure(AsyncHTTPPolicy[Any, Any]):
    """Answers as the test says, then with 200."""

    answers: list[Answered] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    broken: bool = False

    @override
    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        if self.broken:
            raise ServiceRequestError("cannot connect")
        content = request.http_request.content
        self.bodies.append(content.read() if isinstance(content, io.IOBase) else b"")
        answer = self.answers.pop(0) if self.answers else Answered(200, "{}", {})
        return PipelineResponse(request.http_request, answer, request.context)


class Sender:
    """The policy over Azure; its waits turn the clock."""

    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.buckets = TokenBuckets(self.clock)
        self.azure = Azure()
        self.waits: list[float] = []
        self.counts = ArmCounts()
        self._policy = PacingPolicy(self.buckets, self._sleep, self.counts)
        self._policy.next = self.azure

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.turn(seconds)

    async def __call__(self, method: str = "GET", body: bytes | None = None) -> int:
        content = None if body is None else io.BytesIO(body)
        request = HttpRequest(method, f"{URL}/snapshots/s", content=content)
        context = PipelineContext(None)
        answer = await self._policy.send(PipelineRequest(request, context))
        status: int = answer.http_response.status_code
        return status


def throttled(code: str = "TooManyRequests", **headers: str) -> Answered:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(429, f'{{"error": {{"code": "{code}", "message": "no"}}}}', named)


def failed(status: int, **headers: str) -> Answered:
    return Answered(status, str(envelope("InternalServerError")), headers)


async def test_one_bad_answer_is_asked_again_at_once() -> None:
    send = Sender()
    send.azure.answers = [failed(503)]

    assert await send() == 200
    assert send.waits == [pytest.approx(0.3)]


async def test_what_fails_again_and_again_is_left_to_the_caller() -> None:
    send = Sender()
    send.azure.answers = [failed(503) for _ in range(9)]

    assert await send() == 503
    assert len(send.azure.bodies) == 3


async def test_a_body_is_sent_whole_each_time() -> None:
    send = Sender()
    send.azure.answers = [failed(500), failed(500)]

    assert await send("PUT", b"body") == 200
    assert send.azure.bodies == [b"body"] * 3


async def test_what_is_refused_is_not_asked_again() -> None:
    send = Sender()
    send.azure.answers = [Answered(409, "{}", {})]

    assert await send("PUT", b"") == 409
    assert len(send.azure.bodies) == 1


async def test_a_reconcile_does_not_wait_as_long_as_azure_wants() -> None:
    send = Sender()
    send.azure.answers = [throttled(Retry_After="77")]

    assert await send() == 429
    with pytest.raises(TransientError, match="limit of") as later:
        await send()

    assert later.value.retry_after_s == pytest.approx(77)
    assert len(send.azure.bodies) == 1


async def test_what_runs_in_the_background_waits_as_long_as_azure_wants() -> None:
    send = Sender()
    send.azure.answers = [throttled(Retry_After="77")]

    assert await Operations().advance("take s", send) == 200
    assert sum(send.waits) == pytest.approx(77)


async def test_a_burst_is_slowed_down_to_azures_pace() -> None:
    send = Sender()
    for _ in range(300):
        await send()

    assert len(send.azure.bodies) == 300
    assert sum(send.waits) == pytest.approx((300 - LIMITS["reads"].size) / 25, abs=0.1)


def test_operations_that_wait_for_a_token_stand_in_line() -> None:
    """One of them looks whether there is one: else each token would wake all of them."""
    clock = ComputedClock(lambda: 0.0)
    loop = TurnedLoop(clock)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(seconds)

    policy = PacingPolicy(TokenBuckets(clock, {**LIMITS, "writes": Limit(1, 10)}), sleep)
    policy.next = Azure()

    async def write(number: int) -> int:
        request = HttpRequest("PUT", f"{URL}/snapshots/{number}")
        answer = await policy.send(PipelineRequest(request, PipelineContext(None)))
        status: int = answer.http_response.status_code
        return status

    async def all_of_them() -> list[int | None]:
        operations = Operations(patience_s=60)
        begun = (operations.advance(f"take {n}", partial(write, n)) for n in range(100))
        return await asyncio.gather(*begun)

    answers = loop.run_until_complete(all_of_them())
    loop.close()

    assert answers == [200] * 100
    assert clock.monotonic_s() == pytest.approx(99 / 10, abs=0.5)
    assert len(waits) <= 2 * 100


def test_looks_and_operations_come_in_turns_and_nobody_is_sent_away() -> None:
    clock = ComputedClock(lambda: 0.0)
    loop = TurnedLoop(clock)
    policy = PacingPolicy(TokenBuckets(clock, {**LIMITS, "reads": Limit(1, 25)}))
    policy.next = Azure()
    ends: dict[str, list[float]] = {"look": [], "poll": []}

    async def read(who: str) -> bool:
        request = PipelineRequest(HttpRequest("GET", f"{URL}/snapshots/s"), PipelineContext(None))
        await policy.send(request)
        ends[who].append(clock.monotonic_s())
        return True

    async def all_of_them() -> None:
        operations = Operations(patience_s=60)
        polls = [operations.advance(f"poll {n}", partial(read, "poll")) for n in range(50)]
        await asyncio.gather(*polls, *(read("look") for _ in range(100)))

    loop.run_until_complete(all_of_them())
    loop.close()

    assert (len(ends["look"]), len(ends["poll"])) == (100, 50)
    assert max(ends["poll"]) == pytest.approx(100 / 25, abs=1)
    assert max(ends["look"]) == pytest.approx(150 / 25, abs=1)


async def test_a_limit_of_a_providers_own_stops_that_provider_alone() -> None:
    send = Sender()
    left = {"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/HighCostGet30Min;0"}
    send.azure.answers = [throttled(Retry_After="77", **left)]
    await send()

    assert send.buckets.take(Scope("s", "reads", "microsoft.compute")) > 0
    assert send.buckets.take(Scope("s", "reads", "microsoft.network")) == 0


async def test_a_resource_that_is_busy_is_no_lack_of_requests() -> None:
    send = Sender()
    send.azure.answers = [throttled("RetryableError", Retry_After="12")]
    await send()

    assert await send() == 200


async def test_what_azure_says_is_left_is_all_that_is_sent() -> None:
    send = Sender()
    header = "x-ms-ratelimit-remaining-subscription-writes"
    send.azure.answers = [Answered(200, "{}", {header: "0"})]
    await send("PUT", b"")
    await send("PUT", b"")

    assert sum(send.waits) == pytest.approx(0.1)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
def test_every_write_asks_the_fence(method: str) -> None:
    def closed() -> None:
        raise TransientError("the lease has passed")

    with pytest.raises(TransientError, match="lease"):
        WriteFence(closed).on_request(
            PipelineRequest(HttpRequest(method, URL), PipelineContext(None))
        )


def test_looks_pass_a_closed_fence() -> None:
    def closed() -> None:
        raise TransientError("the lease has passed")

    WriteFence(closed).on_request(PipelineRequest(HttpRequest("GET", URL), PipelineContext(None)))


async def test_each_time_that_a_request_is_sent_is_counted_by_what_came_of_it() -> None:
    send = Sender()
    send.azure.answers = [failed(503), throttled("RetryableError"), Answered(404, "{}", {})]

    await send()
    await send("PUT", b"")
    await send("DELETE")

    assert send.counts.requests == {
        ("reads", "5xx"): 1,
        ("reads", "429"): 1,
        ("reads", "4xx"): 1,
        ("writes", "2xx"): 1,
        ("deletes", "2xx"): 1,
    }


async def test_a_request_that_never_arrives_is_counted_too() -> None:
    send = Sender()
    send.azure.broken = True

    with pytest.raises(ServiceRequestError):
        await send()

    assert send.counts.requests == {("reads", "unreached"): 1}


async def test_waits_for_azures_limit_are_counted_with_how_long_they_were() -> None:
    send = Sender()
    for _ in range(round(LIMITS["writes"].size) + 1):
        await send("PUT", b"")

    assert send.counts.waits == {"writes": 1}
    assert send.counts.waited_s == {"writes": pytest.approx(sum(send.waits))}


async def test_who_is_sent_away_for_the_limit_has_waited_for_no_time() -> None:
    send = Sender()
    send.azure.answers = [throttled(Retry_After="77")]
    await send()

    with pytest.raises(TransientError, match="limit of"):
        await send()

    assert send.counts.waits == {"reads": 1}
    assert send.counts.waited_s == {}
