"""Time that passes while the product computes, and is turned where it waits."""

from __future__ import annotations

import asyncio

import pytest

from tools.bench.turned_time import ComputedClock, ProcessorTime, TurnedLoop


class Processor:
    """A processor time, and a wall, that tests turn."""

    def __init__(self) -> None:
        self.processor_s = 5.0
        self.wall_s = 100.0

    def compute(self, seconds: float, part: float = 1.0) -> None:
        self.processor_s += seconds
        self.wall_s += seconds / part


def test_computing_and_pauses_make_the_time_and_the_world_does_not() -> None:
    processor = Processor()
    clock = ComputedClock(lambda: processor.processor_s)

    processor.compute(2)
    clock.turn(30)
    with clock.in_the_world():
        processor.compute(100)
        with clock.in_the_world():
            processor.compute(100)
    processor.compute(1)

    assert clock.monotonic_s() == 33
    assert clock.computed_s == 3
    assert (clock.now() - ComputedClock(lambda: 0.0).now()).total_seconds() == 33


def test_a_loop_turns_the_clock_where_it_would_wait() -> None:
    processor = Processor()
    clock = ComputedClock(lambda: processor.processor_s)
    loop = TurnedLoop(clock)
    ends: list[float] = []

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds)
        processor.compute(1)
        ends.append(clock.monotonic_s())

    async def naps() -> None:
        await asyncio.gather(nap(3600), nap(7200))

    loop.run_until_complete(naps())
    loop.close()

    assert ends == [pytest.approx(3601), pytest.approx(7201)]


def test_a_loop_in_which_nothing_will_ever_come_says_so() -> None:
    loop = TurnedLoop(ComputedClock(lambda: 0.0))

    async def wait() -> None:
        await asyncio.Event().wait()

    task = loop.create_task(wait())
    with pytest.raises(RuntimeError, match="nothing will ever come"):
        loop.run_until_complete(task)
    task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()


def test_processor_time_is_asked_for_now_and_then_and_never_goes_back() -> None:
    processor, asked = Processor(), 0

    def processor_s() -> float:
        nonlocal asked
        asked += 1
        return processor.processor_s

    told = ProcessorTime(lambda: processor.wall_s, processor_s)
    times = []
    for _ in range(1000):
        processor.compute(0.001, part=0.5)  # the other half of the core is somebody else's
        times.append(told())

    assert times == sorted(times)
    assert asked < 150
    assert times[-1] == pytest.approx(processor.processor_s, abs=0.02)
