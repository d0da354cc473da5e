"""A plugin of pytest's: a module of tests that leaves something behind fails, and names it."""

from __future__ import annotations

import os
import time
from collections import Counter
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
    #: What goes on because a fixture for more than a module has started it.
    begun: dict[int, Kept] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    @property
    def kept(self) -> Kept:
        """All that goes on with good reason."""
        return Kept(
            sum((each.programs for each in self.begun.values()), Counter()),
            sum((each.listeners for each in self.begun.values()), Counter()),
        )


WATCH = pytest.StashKey[Watch]()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Note what a fixture for more than a module has started."""
    watch = request.config.stash.get(WATCH, None)
    if watch is None or not is_wide(fixturedef):
        return (yield)
    before = _look(watch)
    result = yield
    after = _look(watch)
    watch.begun[id(fixturedef)] = Kept(
        after.programs - before.programs, after.listeners - before.listeners
    )
    return result


def pytest_fixture_post_finalizer(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> None:
    """Keep no more what a fixture for more than a module had started."""
    if WATCH in request.config.stash:
        request.config.stash[WATCH].begun.pop(id(fixturedef), None)


def is_wide(fixturedef: pytest.FixtureDef[object]) -> bool:
    """Tell whether a fixture is for more than a module."""
    return fixturedef.scope in ("session", "package")


def look_behind(who: str, config: pytest.Config) -> None:
    """Fail where something is left that *who* should have ended, in a run that is watched."""
    if WATCH in config.stash:
        _complain(who, config.stash[WATCH])


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_by_the_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Fail where something is left of what fixtures for the whole run have started."""
    places = (request.config.rootpath, tmp_path_factory.getbasetemp())
    watch = request.config.stash[WATCH] = Watch(*places, traces(*places, Kept()))
    yield
    watch.begun.clear()
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
