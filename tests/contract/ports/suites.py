"""What makes a class of facts the suite of a port.

A suite states what a port promises. It knows neither Azure nor memory: whoever runs it subclasses
it, gives it what it asks for as fixtures, and names what it is run over. It is run over the port's
double (`tests/unit/ports/`) and over its adapter (`tests/contract/`, `tests/cluster/`), so that a
double that is kinder than the adapter fails a unit test. `tests/unit/test_ports.py` lists the ports
without.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from tests.worlds.turned_clock import TurnedClock


class Suite:
    """Facts of *ports*; *over* is what they are run over, where that is a double."""

    ports: ClassVar[tuple[type, ...]] = ()
    over: ClassVar[tuple[type, ...]] = ()


class Until(Protocol):
    """Asks until the answer is neither None nor False, and lets time pass in between."""

    async def __call__(self, ask: Callable[[], Awaitable[Any]], /) -> Any:
        """Return the first answer that is one."""


def until_by(clock: TurnedClock) -> Until:
    """Return what asks again a second later, by a clock that it turns."""

    async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(100):
            if answer := await ask():
                return answer
            clock.turn(1)
        raise AssertionError("it does not come to that")

    return until
