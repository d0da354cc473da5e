"""A stage of the whole product, which these tests kill parts of again and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenario.killing import home_stands
from tests.scenario.stage import Stage, a_stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything running, the home region built."""
    with a_stage(tmp_path_factory.mktemp("stage")) as running:
        home_stands(running)
        yield running


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """What `make soak` draws from; SEED draws the same again."""
    return str(request.config.getoption("hypothesis_seed") or 0)
