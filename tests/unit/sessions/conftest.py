"""A fresh world for each test."""

from __future__ import annotations

import pytest

from tests.unit.sessions.memory_world import World, session_of


@pytest.fixture
def world() -> World:
    made = World()
    made.sessions.put(session_of())
    return made
