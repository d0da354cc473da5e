"""The body of a disk that takes another one's place: all that one has but its content."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.restores.rewinding_worlds import WHERE
from tests.worlds import recorded_vm
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.restores.rewinding.bodies import disk_body, snapshot_body


def today(**properties: Any) -> Body:
    """Return a Premium SSD as Azure answers it, with what only Azure says."""
    return {
        "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/os",
        "name": "os",
        "type": "Microsoft.Compute/disks",
        "location": "northeurope",
        "managedBy": "a VM",
        "zones": ["2"],
        "sku": {"name": "Premium_LRS", "tier": "Premium"},
        "tags": {"team": "web", "vmbackup-owner": "sealed for another id"},
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": "V2",
            "tier": "P10",
            "diskSizeGB": 30,
            "diskSizeBytes": 30 << 30,
            "diskState": "Reserved",
            "uniqueId": "u",
            "provisioningState": "Succeeded",
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
            "encryption": {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": "set"},
            "creationData": {"createOption": "FromImage", "imageReference": {"id": "an image"}},
            "newcomer": {"set": True},
            **properties,
        },
    }


def test_it_is_as_the_one_of_today_but_for_what_azure_says_itself() -> None:
    assert disk_body(today(), 30, WHERE) == {
        "location": "northeurope",
        "zones": ["2"],
        "sku": {"name": "Premium_LRS"},
        "tags": {"team": "web"},
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": "V2",
            "tier": "P10",
            "diskSizeGB": 30,
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
            "encryption": {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": "set"},
            "creationData": {},
            "newcomer": {"set": True},
        },
    }


def test_a_tier_is_of_the_size_that_it_was_bought_for() -> None:
    assert "tier" not in disk_body(today(), 64, WHERE)["properties"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("sku", "kept"),
    [
        ("Premium_LRS", {"performancePlus": True}),
        ("PremiumV2_LRS", {"performancePlus": True, "logicalSectorSize": 512}),
    ],
)
def test_of_its_making_is_said_again_what_is_not_its_source(sku: str, kept: Body) -> None:
    making = {"createOption": "Upload", "logicalSectorSize": 512, "performancePlus": True}
    body = {**today(creationData=making, diskIOPSReadWrite=3000), "sku": {"name": sku}}
    properties = disk_body(body, 30, WHERE)["properties"]

    assert isinstance(properties, dict)
    assert properties["creationData"] == kept
    assert ("diskIOPSReadWrite" in properties) == (sku == "PremiumV2_LRS")


def test_a_snapshot_of_today_is_incremental_and_closed() -> None:
    body = snapshot_body("northeurope", {"cost-centre": "42"})

    assert body["tags"] == {"cost-centre": "42"}
    assert body["properties"] == {
        "incremental": True,
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
    }


def test_what_microsoft_has_published_of_disks_becomes_a_body() -> None:
    for body in recorded_vm.described().disks:
        made = disk_body(dict(body), 64, WHERE)

        assert made["location"] == body["location"]
        assert not {"id", "name", "type", "managedBy"} & made.keys()
