"""The repository that the tests of this folder begin with."""

from __future__ import annotations

import pytest

from tests.worlds.memory_upkeep import UpkeepWorld


@pytest.fixture
async def world() -> UpkeepWorld:
    """A repository that was looked at half an hour before its first slot."""
    made = UpkeepWorld()
    await made.settle()
    return made
