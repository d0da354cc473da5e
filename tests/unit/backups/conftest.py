"""A fresh world for each test."""

from __future__ import annotations

import pytest

from tests.worlds.memory_world import World
from tests.worlds.samples import session_of


@pytest.fixture
def world() -> World:
    made = World()
    made.sessions.put(session_of())
    return made
