"""What holds for every test: a loop of its own, no deadline to miss, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import hypothesis
import pytest

from tests import sampling, sharing, tidiness

# The same cases each time, and nothing written down: `make soak` draws others (tests/soak/).
hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=True, database=None, max_examples=25
)
hypothesis.settings.register_profile(
    sampling.SAMPLE, hypothesis.settings.get_profile("tests"), max_examples=sampling.CASES
)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    # pytest-asyncio asks for the current loop before it sets its own; where none was ever set,
    # Python 3.11 makes one that nobody closes, and warnings are errors here.
    asyncio.set_event_loop(None)
    for plugin in (sampling, sharing, tidiness):
        if not config.pluginmanager.is_registered(plugin):
            config.pluginmanager.register(plugin)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # What is imported and collected stays for the whole run: no look for garbage need go through
    # it, neither while it grows nor later.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()
