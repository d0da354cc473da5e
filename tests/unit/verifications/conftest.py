"""A world whose repository has a recovery point of three disks, and a session to read it back."""

from __future__ import annotations

import pytest

from tests.unit.verifications.reading_worlds import backed_up_world, verification
from tests.worlds.memory_world import World


@pytest.fixture
async def world() -> World:
    made = await backed_up_world()
    made.sessions.put(verification())
    return made
