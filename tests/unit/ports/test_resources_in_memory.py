"""Resource Manager in memory keeps what Azure's keeps."""

from __future__ import annotations

import pytest

from tests.contract.ports.resource_facts import ResourceFacts, ResourcePlace
from tests.contract.ports.suites import until_by
from tests.worlds.arm_in_memory import ArmInMemory
from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.turned_clock import TurnedClock


class TestArmInMemory(ResourceFacts):
    over = (ArmInMemory,)

    @pytest.fixture
    def place(self) -> ResourcePlace:
        return ResourcePlace(ArmInMemory(), SUBSCRIPTION, AWAY, until_by(TurnedClock()))
