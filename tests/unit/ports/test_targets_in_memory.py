"""The doubles of where restores go to keep what their ports promise."""

from __future__ import annotations

import pytest

from tests.contract.ports.suites import until_by
from tests.contract.ports.target_facts import (
    MachinePartFacts,
    PartPlace,
    RestoreTargetFacts,
    TargetPlace,
)
from tests.worlds.memory_azure import SUBSCRIPTION, Azure
from tests.worlds.memory_targets import RESTORED_GROUP, MemoryMachineParts, MemoryTargets, Target
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.target_ports import PartMade, ResourceSeen

GROUP = RESTORED_GROUP
NETWORK = ArmId(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/web")

REFERENCES = (
    ArmId(f"{GROUP}/providers/Microsoft.Compute/diskEncryptionSets/keys"),
    ArmId(f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"),
)


class TestMemoryTargets(RestoreTargetFacts):
    over = (MemoryTargets,)

    @pytest.fixture
    def place(self) -> TargetPlace:
        target = Target()
        target.put(ResourceSeen(GROUP))
        target.put(ResourceSeen(NETWORK, "northeurope", subnets=frozenset({"machines"})))
        for reference in REFERENCES:
            target.put(ResourceSeen(reference, "northeurope"))
        return TargetPlace(
            MemoryTargets(Azure(TurnedClock()), target),
            SUBSCRIPTION,
            "northeurope",
            GROUP,
            NETWORK,
            "machines",
            "Standard_D4s_v5",
            REFERENCES,
        )


class TestMemoryMachineParts(MachinePartFacts):
    over = (MemoryMachineParts,)

    @pytest.fixture
    def place(self) -> PartPlace:
        clock, target = TurnedClock(), Target()

        async def machine_body(interface: ArmId) -> dict[str, object]:
            return {"properties": {"networkProfile": {"networkInterfaces": [{"id": interface}]}}}

        async def made_by_others(part_id: ArmId) -> None:
            target.parts[folded(part_id)] = PartMade(part_id, None, ready=True, doubt="no tag")

        parts = MemoryMachineParts(Azure(clock), target)
        return PartPlace(parts, GROUP, until_by(clock), {}, machine_body, made_by_others)
