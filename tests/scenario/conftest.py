"""One stage for all scenarios: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenario.stage import Stage, a_stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything running, with a VM to back up; scenarios share it and name their own objects."""
    with a_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running
