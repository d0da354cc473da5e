"""Azure's limits as the bench has them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.worlds.turned_clock import TurnedClock
from tools.bench.limits import ARM, AzuresCount, ResourceManager
from tools.bench.turned_time import ComputedClock, TurnedLoop
from vmbackup_core.errors import TransientError
from vmbackup_operator.services.token_buckets import LIMITS, Limit

SNAPSHOT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/snapshots/1"
MACHINE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/1"


def test_azure_counts_by_itself_and_says_how_long() -> None:
    clock = TurnedClock()
    count = AzuresCount(clock)
    asked = [count.refused_for_s("PUT", SNAPSHOT) for _ in range(201)]
    clock.turn(0.1)

    assert asked == [0.0] * 200 + [pytest.approx(0.1)]
    assert count.refused_for_s("PUT", SNAPSHOT) == pytest.approx(0, abs=1e-9)
    assert count.refused_for_s("GET", SNAPSHOT) == 0


def test_machines_have_a_limit_of_their_provider_beside_it() -> None:
    generous = {word: Limit(10**6, 10) for word in ARM}
    count = AzuresCount(TurnedClock(), arm=generous)
    asked = [count.refused_for_s("PUT", MACHINE) for _ in range(1501)]

    assert sum(each > 0 for each in asked) == 1
    assert count.refused_for_s("PUT", SNAPSHOT) == 0


def _run(loop: TurnedLoop, work: Coroutine[Any, Any, None]) -> None:
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


def test_the_products_pacing_is_never_refused_by_azures_own_count() -> None:
    clock = ComputedClock(lambda: 0.0)
    manager = ResourceManager(clock)

    async def ask() -> None:
        for number in range(1000):
            try:
                await manager.send("GET", f"{SNAPSHOT}{number}", "snapshots")
            except TransientError as error:
                await asyncio.sleep(error.retry_after_s or 0)

    _run(TurnedLoop(clock), ask())

    assert manager.before_retry_after is None
    assert manager.requests.total() >= 1000


def test_what_azure_refuses_is_told_with_its_retry_after() -> None:
    clock = ComputedClock(lambda: 0.0)
    stricter = {word: Limit(5, 0.1) for word in LIMITS}
    manager = ResourceManager(clock, AzuresCount(clock, arm=stricter))

    async def ask() -> None:
        for _ in range(5):
            await manager.send("PUT", SNAPSHOT, "snapshots")
        with pytest.raises(TransientError) as refused:
            await manager.send("PUT", SNAPSHOT, "snapshots")
        assert refused.value.retry_after_s is not None
        assert refused.value.retry_after_s >= 8

    _run(TurnedLoop(clock), ask())

    assert manager.before_retry_after == 5
    assert manager.requests["refused"] == 1
