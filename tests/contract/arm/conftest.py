"""Resource Manager and the token endpoint behind the real gateway, and the real SDKs before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from azure_simulator.arm.table import Arm
from azure_simulator.backing import Backing
from azure_simulator.gateway.gateway import Gateway
from azure_simulator.gateway.proxies import Proxies
from azure_simulator.identities.directory import Identities
from azure_simulator.identities.endpoint import TokenEndpoint
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.pace import Pace
from azure_simulator.resources import Resources
from tests.contract.arm.recording import Recorder
from tests.contract.arm.specs import Specs, find_specification
from tests.unit.simulator_arm.conftest import (
    OWNER,
    SUBSCRIPTION,
    TENANT,
    MemoryAccounts,
    MemoryContents,
    MemoryExports,
    MemoryMachines,
)

CLIENT, SECRET = "cccccccc-1111-4111-8111-111111111111", "right"


@dataclass
class Simulated:
    """Where the SDKs find it, and what it holds."""

    options: dict[str, Any]
    resources: Resources
    identities: Identities
    journal: Journal
    interventions: Interventions
    recorder: Recorder
    machines: MemoryMachines


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulated(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulated]:
    """All of it, listening on loopback."""
    resources, journal, interventions = Resources(), Journal(), Interventions()
    identities = Identities(resources, TENANT)
    identities.add(CLIENT, OWNER, SECRET)
    identities.make_owner(OWNER)
    machines = MemoryMachines()
    backing = Backing(MemoryContents(), MemoryExports(), MemoryAccounts(), machines)
    arm = Arm(
        resources=resources,
        identities=identities,
        backing=backing,
        pace=Pace(150),
        journal=journal,
        interventions=interventions,
    )
    arm.add_subscription(SUBSCRIPTION)
    recorder = Recorder(arm.service)
    token = TokenEndpoint(identities, journal, interventions)
    gateway = Gateway(resources, journal, {"arm": recorder, "token": token})
    proxies = Proxies(gateway)
    await proxies.start()
    ca = Path(tmp_path_factory.mktemp("arm")) / "ca.pem"
    ca.write_bytes(gateway.authority.pem)
    options = {
        "proxies": {"https": proxies.urls["internet"]},
        "connection_verify": str(ca),
    }
    yield Simulated(options, resources, identities, journal, interventions, recorder, machines)
    await proxies.close()
    gateway.close()
    await arm.close()


@pytest.fixture(scope="session")
def specs() -> Specs:
    """Microsoft's OpenAPI files; tests that need them say so where they are not there."""
    root = find_specification()
    if root is None:
        pytest.skip("the folder azure-specs is not beside the checkout")
    return Specs(root)
