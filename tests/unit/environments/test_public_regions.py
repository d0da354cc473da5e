"""Regions without a private network, and that all regions of an appliance are of one kind."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.environments.conftest import SUBSCRIPTION, Appliance
from vmbackup_operator.environments.objects import from_settings
from vmbackup_operator.reconciling.outcome import Failed


async def test_regions_are_described_as_public_where_the_settings_say_so(
    appliance: Appliance,
) -> None:
    settings = appliance.settings
    defaults = msgspec.structs.replace(settings.region_environments, private_network=False)
    public = msgspec.structs.replace(settings, region_environments=defaults)

    described = from_settings(public, SUBSCRIPTION, "westeurope")

    assert described.spec.private_network is False
    assert from_settings(settings, SUBSCRIPTION, "westeurope").spec.private_network is True


async def test_a_public_region_owes_no_endpoints_and_no_dns(appliance: Appliance) -> None:
    home = await appliance.regions.ensure_home_object()
    spec = msgspec.structs.replace(home.spec, private_network=False)
    appliance.objects.stored[home.metadata.key] = msgspec.structs.replace(home, spec=spec)

    environment = await appliance.ready("westeurope")

    kinds = {kind for kind, _ in appliance.arm.puts}
    assert kinds == {
        "ResourceGroup",
        "NetworkSecurityGroup",
        "VirtualNetwork",
        "StorageAccount",
        "BlobContainer",
    }
    assert environment.private is False


@pytest.mark.parametrize("home_is_private", [True, False])
async def test_a_region_that_is_private_where_its_home_is_not_or_the_other_way_round_is_refused(
    appliance: Appliance,
    home_is_private: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    """Queues are at home: workers that have the other kind of way out would never be heard."""
    home = await appliance.regions.ensure_home_object()
    spec = msgspec.structs.replace(home.spec, private_network=home_is_private)
    appliance.objects.stored[home.metadata.key] = msgspec.structs.replace(home, spec=spec)
    away = from_settings(appliance.settings, SUBSCRIPTION, "northeurope")
    spec = msgspec.structs.replace(away.spec, private_network=not home_is_private)
    await appliance.objects.create(msgspec.structs.replace(away, spec=spec))

    report = await appliance.ensure("northeurope")

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "PrivateNetworkDiffers"
    assert appliance.arm.puts == []
