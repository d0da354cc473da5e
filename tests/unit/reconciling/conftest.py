"""Looks that come back after minutes and hours: the clock of each test's loop is turned."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable

import looptime


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
    return {"turned": looptime.new_event_loop}
