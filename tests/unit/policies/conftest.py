"""The policies that most tests of this folder begin with."""

from __future__ import annotations

import pytest

from tests.worlds.memory_policies import PolicyWorld, policy
from tests.worlds.samples import VM


@pytest.fixture
def world() -> PolicyWorld:
    """A policy with a slot an hour ago."""
    made = PolicyWorld()
    made.put(policy(VM))
    return made


@pytest.fixture
async def idle() -> PolicyWorld:
    """A policy without schedule that was looked at."""
    made = PolicyWorld()
    made.put(policy(VM, cron=None))
    await made.look()
    return made
