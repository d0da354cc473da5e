"""What holds for every test: no event loop but the test's own."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    # looptime asks for the current loop around every test, synchronous ones too; where none was
    # ever set, Python 3.11 makes one that nobody closes, and warnings are errors here.
    asyncio.set_event_loop(None)
