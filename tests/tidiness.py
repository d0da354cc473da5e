"""A plugin of pytest's: a module of tests that leaves something behind fails, and names it."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.traces import Kept, Traces, left_behind, traces

#: Programs that were told to end may take a moment; the variable is for the tests of this.
ENDING_S = float(os.environ.get("TIDY_WITHIN_S", "10"))


@dataclass(slots=True)
class Watch:
    """How things were when the first test began, and what was complained of since."""

    checkout: Path
    temporary: Path
    before: Traces
    kept: Kept = field(default_factory=Kept)
    said: set[str] = field(default_factory=set)


WATCH = pytest.StashKey[Watch]()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Note what a fixture for more than a module has started."""
    watch = request.config.stash.get(WATCH, None)
    if watch is None or fixturedef.scope not in ("session", "package"):
        return (yield)
    before = _look(watch)
    result = yield
    after = _look(watch)
    watch.kept.programs += after.programs - before.programs
    watch.kept.listeners += after.listeners - before.listeners
    return result


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_by_the_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Fail where something is left of what fixtures for the whole run have started."""
    places = (request.config.rootpath, tmp_path_factory.getbasetemp())
    watch = request.config.stash[WATCH] = Watch(*places, traces(*places, Kept()))
    yield
    watch.kept = Kept()
    _complain("This run of tests", watch)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_by_the_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where a module of tests leaves something behind that was not there before the first.

    Fixtures for the whole run are set up before this one: what they change counts as well.
    """
    yield
    _complain(str(request.node.nodeid), request.config.stash[WATCH])


def _look(watch: Watch) -> Traces:
    return traces(watch.checkout, watch.temporary, watch.kept)


def _complain(who: str, watch: Watch) -> None:
    left = _left(watch)
    watch.said.update(left)
    if left:
        lines = "\n".join(f"  {each}" for each in left)
        pytest.fail(f"{who} leaves behind:\n{lines}", pytrace=False)


def _left(watch: Watch) -> list[str]:
    """Return what is left and was not said before, once it has had time to end."""
    deadline = time.monotonic() + ENDING_S
    while True:
        left = left_behind(watch.before, _look(watch))
        unsaid = [each for each in left if each not in watch.said]
        if not unsaid or time.monotonic() > deadline:
            return unsaid
        time.sleep(0.05)
