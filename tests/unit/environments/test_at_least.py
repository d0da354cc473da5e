"""What others make stricter or larger stays, and what their policies do is no difference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.environments.conftest import (
    APPLIANCE_NETWORK,
    REPOSITORY,
    SUBSCRIPTION,
    Appliance,
)
from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_operator.model.region_environment import EnvironmentNetwork, EnvironmentTag
from vmbackup_operator.naming import environment_names
from vmbackup_operator.reconciling.outcome import Failed

NORTH = environment_names("contoso", SUBSCRIPTION, "northeurope")


def body_of(appliance: Appliance, part: str) -> dict[str, Any]:
    (found,) = [body for i, body in appliance.arm.bodies.items() if i.endswith(part.lower())]
    return found


async def writes_of_a_second_pass(appliance: Appliance) -> list[str]:
    appliance.arm.puts.clear()
    await appliance.ready("northeurope", REPOSITORY)
    return [kind for kind, _ in appliance.arm.puts]


@pytest.mark.parametrize("version", ["TLS1_2", "tls1_2", "TLS1_3", "TLS2_0"])
async def test_a_newer_tls_is_not_set_back(appliance: Appliance, version: str) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    account = body_of(appliance, f"/{NORTH.storage_account}")
    account["properties"]["minimumTlsVersion"] = version

    assert await writes_of_a_second_pass(appliance) == []

    account["properties"]["publicNetworkAccess"] = "Enabled"
    await writes_of_a_second_pass(appliance)
    account = body_of(appliance, f"/{NORTH.storage_account}")
    assert account["properties"]["minimumTlsVersion"] == version
    assert account["properties"]["publicNetworkAccess"] == "Disabled"


@pytest.mark.parametrize("version", ["TLS1_0", "TLS1_1", None])
async def test_an_older_tls_is_put_right(appliance: Appliance, version: str | None) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    body_of(appliance, f"/{NORTH.storage_account}")["properties"]["minimumTlsVersion"] = version

    assert await writes_of_a_second_pass(appliance) == ["StorageAccount"]
    account = body_of(appliance, f"/{NORTH.storage_account}")
    assert account["properties"]["minimumTlsVersion"] == "TLS1_2"


async def test_a_perimeter_is_closed_too(appliance: Appliance) -> None:
    await appliance.ready("northeurope", REPOSITORY)
    account = body_of(appliance, f"/{NORTH.storage_account}")
    account["properties"]["publicNetworkAccess"] = "SecuredByPerimeter"

    assert await writes_of_a_second_pass(appliance) == []


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "behind ours"])
async def test_ranges_and_subnets_that_others_add_stay(appliance: Appliance, first: bool) -> None:  # noqa: FBT001 - a table
    environment = await appliance.ready("northeurope", REPOSITORY)
    network = body_of(appliance, f"/{NORTH.virtual_network}")["properties"]
    added = ["172.16.0.0/24"]
    own = network["addressSpace"]["addressPrefixes"]
    network["addressSpace"]["addressPrefixes"] = added + own if first else own + added
    network["subnets"].append({"name": "theirs", "properties": {"addressPrefix": added[0]}})
    workers = network["subnets"][0]["properties"]
    workers["addressPrefixes"] = [workers.pop("addressPrefix"), "172.16.1.0/24"]
    workers["routeTable"] = {"id": "/theirs"}
    network["subnets"][1]["properties"]["privateEndpointNetworkPolicies"] = "Enabled"

    assert await writes_of_a_second_pass(appliance) == []

    del network["subnets"][0]["properties"]["networkSecurityGroup"]
    assert await writes_of_a_second_pass(appliance) == ["VirtualNetwork"]
    network = body_of(appliance, f"/{NORTH.virtual_network}")["properties"]
    workers = network["subnets"][1]["properties"]  # others' come first, whatever the order was
    assert [subnet["name"] for subnet in network["subnets"]] == ["theirs", "workers", "endpoints"]
    assert workers["addressPrefixes"][1] == "172.16.1.0/24"
    assert workers["routeTable"] == {"id": "/theirs"}
    assert "addressPrefix" not in workers
    assert added[0] in network["addressSpace"]["addressPrefixes"]
    assert environment.worker_subnet_id.endswith("/workers")


async def test_a_policy_that_recases_tag_names_costs_no_writes_and_no_second_account(
    appliance: Appliance,
) -> None:
    appliance.arm.policy = lambda tags: {name.title(): value for name, value in tags.items()}
    first = await appliance.ready("northeurope", REPOSITORY)
    appliance.restart()

    assert await writes_of_a_second_pass(appliance) == []
    assert (await appliance.ready("northeurope", REPOSITORY)) == first


async def test_a_policy_that_adds_and_overrides_tags_is_not_fought(appliance: Appliance) -> None:
    settings = msgspec.structs.replace(appliance.settings, tags={"team": "backup", "env": "prod"})
    appliance.settings = settings
    appliance.restart()
    appliance.arm.policy = lambda tags: {**tags, "team": "platform", "cost": "7"}
    await appliance.ready("northeurope", REPOSITORY)

    assert await writes_of_a_second_pass(appliance) == []


async def test_the_tags_that_the_settings_ask_for_are_on_everything_that_is_made(
    appliance: Appliance,
) -> None:
    home = await appliance.regions.ensure_home_object()
    spec = msgspec.structs.replace(home.spec, tags=(EnvironmentTag("Env", "home"),))
    appliance.objects.stored[home.metadata.key] = msgspec.structs.replace(home, spec=spec)
    appliance.settings = msgspec.structs.replace(
        appliance.settings, tags={"team": "backup", "env": "prod"}
    )
    appliance.restart()

    environment = await appliance.ready("northeurope", REPOSITORY)

    tagged = {i: b["tags"] for i, b in appliance.arm.bodies.items() if "tags" in b}
    assert len(tagged) > 20
    assert all(tags["team"] == "backup" for tags in tagged.values())
    assert {tags.get("env", tags.get("Env")) for tags in tagged.values()} == {"prod", "home"}
    assert environment.tags == {"team": "backup", "env": "prod"}


@pytest.mark.parametrize("kind", [PermanentError, TransientError])
async def test_a_policy_that_refuses_says_what_to_do(
    appliance: Appliance, kind: type[VmbackupError]
) -> None:
    said = "writing vmb-nsg: RequestDisallowedByPolicy: resource was disallowed by policy"
    error: VmbackupError = TransientError(said)
    if kind is PermanentError:
        error = PermanentError(said, reason="NotAuthorized")
    appliance.arm.refuse("networkSecurityGroups/", error=error)

    report = await appliance.ensure()

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "RequestDisallowedByPolicy"
    assert "`tags` in the settings" in report.outcome.message


async def test_networks_that_are_not_ours_ask_publicly_for_what_our_zones_do_not_know(
    appliance: Appliance,
) -> None:
    own = APPLIANCE_NETWORK.replace("cluster", "own")
    appliance.arm.add("VirtualNetwork", own, {"location": "northeurope"})
    await appliance.ready("northeurope")
    (north,) = [e for e in appliance.objects.stored.values() if e.spec.region == "northeurope"]
    network = EnvironmentNetwork(own, f"{own}/subnets/w", f"{own}/subnets/e")
    spec = msgspec.structs.replace(north.spec, network=network)
    appliance.objects.stored[north.metadata.key] = msgspec.structs.replace(north, spec=spec)

    await appliance.ready("northeurope")

    policies = {
        link["properties"]["virtualNetwork"]["id"].rsplit("/", 1)[1]: link["properties"][
            "resolutionPolicy"
        ]
        for i, link in appliance.arm.bodies.items()
        if "/virtualnetworklinks/" in i
    }
    assert policies.pop("cluster") == policies.pop("own") == "NxDomainRedirect"
    assert len(policies) == 2
    assert set(policies.values()) == {"Default"}


async def test_a_network_that_asks_such_a_zone_already_is_named_with_what_to_do(
    appliance: Appliance,
) -> None:
    said = (
        "A virtual network cannot be linked to multiple zones with overlapping namespaces. You"
        f" tried to link virtual network '{APPLIANCE_NETWORK}' with 'ours' and 'theirs' zones."
    )
    error = PermanentError(f"writing link: BadRequest: {said}", reason="BadRequest")
    appliance.arm.refuse("/virtualNetworkLinks/", "virtualNetworks/cluster", error=error)

    report = await appliance.ensure()

    assert isinstance(report.outcome, Failed)
    assert report.outcome.reason == "ZoneAlreadyAsked"
    assert "network cluster already asks another zone called privatelink." in report.outcome.message
    assert "remove that link" in report.outcome.message
