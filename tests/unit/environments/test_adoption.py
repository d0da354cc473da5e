"""An administrator's word that an account is the region's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.environments.conftest import OWNERSHIP, REPOSITORY, Appliance
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.adoption import adopt
from vmbackup_operator.naming import ArmId

MINE = ArmId(REPOSITORY.replace("repository01", "mine"))


@pytest.fixture
def mine(appliance: Appliance) -> dict[str, Any]:
    """An account that a user made."""
    properties: dict[str, Any] = {"publicNetworkAccess": "Enabled", "minimumTlsVersion": "TLS1_3"}
    body: dict[str, Any] = {
        "location": "West Europe",
        "kind": "StorageV2",
        "sku": {"name": "Standard_ZRS"},
        "tags": {"cost": "1"},
        "properties": properties,
    }
    appliance.arm.add("StorageAccount", MINE, body)
    return appliance.arm.bodies[MINE.lower()]


@pytest.mark.usefixtures("mine")
async def test_an_adopted_account_is_its_regions(appliance: Appliance) -> None:
    assert await adopt(appliance.arm, OWNERSHIP, MINE) == "West Europe"

    adopted = appliance.arm.bodies[MINE.lower()]
    assert adopted["tags"]["cost"] == "1"
    assert adopted["sku"] == {"name": "Standard_ZRS"}
    assert adopted["properties"]["publicNetworkAccess"] == "Enabled"
    assert (await appliance.ready("westeurope")).storage_account_id == MINE
    assert appliance.arm.bodies[MINE.lower()]["properties"]["publicNetworkAccess"] == "Disabled"


@pytest.mark.usefixtures("mine")
async def test_adopting_twice_writes_once(appliance: Appliance) -> None:
    await adopt(appliance.arm, OWNERSHIP, MINE)
    await adopt(appliance.arm, OWNERSHIP, MINE)

    assert len(appliance.arm.puts) == 1


@pytest.mark.usefixtures("mine")
async def test_a_second_account_of_a_region_is_not_adopted(appliance: Appliance) -> None:
    environment = await appliance.ready("westeurope")
    appliance.arm.puts.clear()

    with pytest.raises(PermanentError, match=environment.storage_account_id) as refused:
        await adopt(appliance.arm, OWNERSHIP, MINE)

    assert refused.value.reason == "OwnershipUnclear"
    assert appliance.arm.puts == []


async def test_an_account_without_queues_is_not_adopted(
    appliance: Appliance, mine: dict[str, Any]
) -> None:
    mine["kind"] = "BlobStorage"

    with pytest.raises(PermanentError) as refused:
        await adopt(appliance.arm, OWNERSHIP, MINE)

    assert refused.value.reason == "UnsuitableAccount"


async def test_an_account_that_is_not_there_is_named(appliance: Appliance) -> None:
    with pytest.raises(PermanentError, match="mine") as refused:
        await adopt(appliance.arm, OWNERSHIP, MINE)

    assert refused.value.reason == "StorageAccountNotFound"
