"""One stage for all scenarios: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.scenario.stage import Stage, a_stage

#: Of the operator's log, where a scenario failed.
LINES_SHOWN = 150


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything running, with a VM to back up; scenarios share it and name their own objects."""
    with a_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture(autouse=True)
def none_held(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let everything go that a test has held: one that failed would hold up all behind it."""
    yield
    if "stage" in request.fixturenames:
        azure = request.getfixturevalue("stage").azure
        for hold in azure.held():
            azure.let_go(hold)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the operator said last where a scenario failed."""
    report = yield
    stages = [each for each in getattr(item, "funcargs", {}).values() if isinstance(each, Stage)]
    if report.failed and stages:
        lines = stages[0].operator.log.read_text(errors="replace").splitlines()
        report.sections.append(("the operator's last lines", "\n".join(lines[-LINES_SHOWN:])))
    return report
