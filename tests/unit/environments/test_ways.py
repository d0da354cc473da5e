"""What repositories and sessions are told of regions."""

from __future__ import annotations

import pytest

from tests.unit.environments.conftest import REPOSITORY, SUBSCRIPTION, Appliance
from vmbackup_core.errors import PermanentError
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.regions import AzureRegions, AzureWays
from vmbackup_operator.sessions.seen import Region


@pytest.mark.parametrize("said", ["westeurope", "West Europe"])
async def test_a_way_is_open_once_the_home_region_reaches_the_account(
    appliance: Appliance, said: str
) -> None:
    appliance.arm.bodies[REPOSITORY.lower()]["location"] = said
    ways = AzureWays(appliance.regions, appliance.settings.appliance)

    assert await ways.ensure(REPOSITORY, "westeurope") is None


async def test_an_account_in_another_region_than_said_is_named(appliance: Appliance) -> None:
    ways = AzureWays(appliance.regions, appliance.settings.appliance)

    with pytest.raises(PermanentError, match="repository01 lies in westeurope") as refused:
        await ways.ensure(REPOSITORY, "eastus")

    assert refused.value.reason == "RegionDiffers"


async def test_a_missing_account_is_told_to_who_named_it(appliance: Appliance) -> None:
    ways = AzureWays(appliance.regions, appliance.settings.appliance)

    with pytest.raises(PermanentError) as refused:
        await ways.ensure(ArmId(f"{REPOSITORY}x"), "westeurope")

    assert refused.value.reason == "StorageAccountNotFound"


async def test_a_session_waits_until_its_region_is_ready_and_sees_its_tags(
    appliance: Appliance,
) -> None:
    regions = AzureRegions(appliance.regions)

    assert isinstance(await regions.ensure(SUBSCRIPTION, "northeurope", ()), Waiting)
    await appliance.ready("northeurope")
    region = await regions.ensure(SUBSCRIPTION, "northeurope", ())

    assert isinstance(region, Region)
    assert region.tags == {}
