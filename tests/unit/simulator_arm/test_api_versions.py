"""Azure answers the versions of each resource type that it knows, and no others."""

from __future__ import annotations

import pytest

from azure_simulator.arm.api_versions import versions_of
from azure_simulator.arm.table import route_kinds
from tests.unit.simulator_arm.conftest import SUBSCRIPTION, Azure

DISK = {
    "location": "westeurope",
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
}


@pytest.mark.parametrize("kind", sorted(route_kinds()))
def test_every_type_has_versions(kind: str) -> None:
    known = versions_of(kind)

    assert known
    assert list(known) == sorted(known)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        pytest.param("Microsoft.Compute/virtualMachines", "2024-11-01", id="virtual machines"),
        pytest.param("Microsoft.Compute/virtualMachines", "2026-04-01", id="the Python SDK's"),
        pytest.param("Microsoft.Compute/disks", "2023-04-02", id="disks by Azure CLI"),
        pytest.param("Microsoft.Compute/snapshots", "2023-10-02", id="snapshots by Azure CLI"),
        pytest.param("Microsoft.Compute/snapshots", "2026-03-02", id="snapshots by the SDK"),
        pytest.param("Microsoft.Network/virtualNetworks", "2025-07-01", id="networks by Azure CLI"),
        pytest.param("Microsoft.Storage/storageAccounts", "2025-08-01", id="accounts by Azure CLI"),
        pytest.param("Microsoft.Compute/diskAccesses", "2020-05-01", id="the first disk accesses"),
        pytest.param("Microsoft.Network/privateEndpoints", "2026-03-01", id="endpoints"),
        pytest.param("Microsoft.Network/privateDnsZones/A", "2024-06-01", id="records"),
        pytest.param("Microsoft.Storage/storageAccounts", "2026-09-01", id="accounts"),
        pytest.param("Microsoft.Authorization/roleAssignments", "2022-04-01", id="assignments"),
    ],
)
def test_what_clients_send_is_known(kind: str, version: str) -> None:
    assert version in versions_of(kind)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Microsoft.Compute/disks", "2024-03-01"),
        ("Microsoft.Compute/virtualMachines", "2024-03-02"),
        ("Microsoft.Compute/diskAccesses", "2019-11-01"),
        ("Microsoft.Network/virtualNetworks", "2024-06-01"),
        ("Microsoft.Network/privateDnsZones", "2024-05-01"),
        ("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "2019-12-01"),
        ("Microsoft.Storage/storageAccounts", "2024-05-01"),
        ("Microsoft.Authorization/roleAssignments", "2024-01-01"),
    ],
)
async def test_a_version_of_another_type_is_refused(azure: Azure, kind: str, version: str) -> None:
    namespace, *types = kind.split("/")
    path = f"{azure.group}/providers/{namespace}" + "".join(f"/{each}/x" for each in types)

    reply = await azure.send("PUT", f"{path}?api-version={version}", {"location": "westeurope"})

    assert (reply.status, reply.code) == (400, "NoRegisteredProviderFound")
    message = reply.body["error"]["message"]
    assert f"'{version}' for type '{kind.split('/', 1)[1]}'" in message
    assert versions_of(kind)[-1] in message
    assert reply.headers["x-ms-failure-cause"] == "gateway"


async def test_a_resource_is_neither_read_nor_acted_on_by_an_unknown_version(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    await azure.put(disk, DISK)

    read = await azure.send("GET", f"{disk}?api-version=2024-05-01")
    granted = await azure.send("POST", f"{disk}/beginGetAccess?api-version=2024-05-01", {})

    assert [each.code for each in (read, granted)] == ["NoRegisteredProviderFound"] * 2
    assert "for type 'disks'" in granted.body["error"]["message"]
    assert "location 'westeurope'" in read.body["error"]["message"]


async def test_a_list_has_no_region_to_name(azure: Azure) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/disks"

    reply = await azure.send("GET", f"{path}?api-version=2099-01-01")

    assert (reply.status, reply.code) == (400, "InvalidResourceType")


async def test_resource_manager_words_its_own_refusal_differently(azure: Azure) -> None:
    reply = await azure.send("GET", f"{azure.group}?api-version=2099-01-01")

    assert (reply.status, reply.code) == (400, "InvalidApiVersionParameter")
