"""What patches make of a planned VM and its interfaces, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.restores.planned_machines import (
    DISK,
    NIC,
    machine_of,
    patched,
    planned,
    refusal,
)
from tests.worlds.recorded_vm import (
    SUBNET_ID,
    TARGET,
)
from vmbackup_operator.environments.bodies import body_at, value_at
from vmbackup_operator.model.restore_session import (
    InterfaceOverride,
    RestoreOverrides,
)


def test_a_patch_sets_what_the_record_does_not() -> None:
    plan = planned(
        overrides=patched(
            properties={"licenseType": None, "priority": "Spot", "userData": "aGk="},
            tags={"cost": None},
        )
    )

    properties = body_at(machine_of(plan), "properties")
    assert "licenseType" not in properties
    assert (properties["priority"], properties["userData"]) == ("Spot", "aGk=")
    assert machine_of(plan)["tags"] == {"team": "web"}


def test_a_patch_is_read_in_any_case_as_azure_reads_it() -> None:
    plan = planned(overrides=patched(Properties={"LICENSETYPE": "SLES_BYOS"}))

    assert value_at(machine_of(plan), "properties", "licenseType") == "SLES_BYOS"
    assert "Properties" not in machine_of(plan)


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"id": "/x"}, "id"),
        ({"Name": "other"}, "Name"),
        ({"location": "uksouth"}, "location"),
        ({"tags": {"VMBackup-owner": "1 x y"}}, "tags.VMBackup-owner"),
        ({"properties": {"vmId": "x"}}, "properties.vmId"),
        (
            {"properties": {"storageProfile": {"osDisk": {"managedDisk": {"id": "/x"}}}}},
            "properties.storageProfile.osDisk.managedDisk",
        ),
        (
            {"properties": {"storageProfile": {"dataDisks": [{"lun": 0, "managedDisk": {}}]}}},
            "properties.storageProfile.dataDisks[0].managedDisk",
        ),
        (
            {"properties": {"networkProfile": {"networkInterfaces": [{"id": "/x"}]}}},
            "properties.networkProfile.networkInterfaces[0].id",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_patch_of_what_the_session_decides_is_refused_by_name(
    patch: dict[str, Any], path: str
) -> None:
    refused = refusal(overrides=patched(**patch))

    assert refused.reason == "PatchNotAllowed"
    assert f"spec.overrides.virtualMachine sets {path}, which it may not" in str(refused)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"properties": 5}, "properties something that is no object"),
        ({"properties": {"storageProfile": []}}, "storageProfile something that is no object"),
        (
            {"properties": {"storageProfile": {"dataDisks": [{"lun": 3}]}}},
            "a data disk at LUN 3",
        ),
        ({"properties": {"networkProfile": {"networkInterfaces": []}}}, "names 0 network"),
    ],
)
def test_a_patch_that_breaks_the_vm_is_refused(patch: dict[str, Any], said: str) -> None:
    refused = refusal(overrides=patched(**patch))

    assert refused.reason == "PatchNotAllowed"
    assert said in str(refused)


def test_a_patch_may_say_how_disks_and_interfaces_are_attached() -> None:
    plan = planned(
        overrides=patched(
            properties={
                "storageProfile": {"dataDisks": [{"lun": 0, "caching": "None"}]},
                "networkProfile": {"networkInterfaces": [{"properties": {"primary": True}}]},
            }
        )
    )

    properties = body_at(machine_of(plan), "properties")
    assert body_at(properties, "storageProfile")["dataDisks"] == [
        {
            "lun": 0,
            "caching": "None",
            "createOption": "Attach",
            "managedDisk": {"id": f"{DISK}/web-01-0-01234567"},
        }
    ]
    assert body_at(properties, "networkProfile")["networkInterfaces"] == [
        {"properties": {"primary": True}, "id": NIC}
    ]


def test_an_interfaces_patch_may_ask_for_its_address_and_use_ids_of_its_own() -> None:
    address = {"privateIPAllocationMethod": "Static", "privateIPAddress": "10.0.0.7"}
    pool = f"{TARGET}/providers/Microsoft.Network/loadBalancers/x/backendAddressPools/y"
    configuration = {
        "name": "first",
        "properties": {
            **address,
            "subnet": {"id": SUBNET_ID},
            "loadBalancerBackendAddressPools": [{"id": pool}],
        },
    }
    override = InterfaceOverride(
        0, name="front", patch={"properties": {"ipConfigurations": [configuration]}}
    )
    plan = planned(overrides=RestoreOverrides(network_interfaces=(override,)))

    assert plan.interfaces[0].id.endswith("/networkInterfaces/front")
    assert body_at(plan.interfaces[0].body, "properties")["ipConfigurations"] == [configuration]
    assert pool in plan.ids_used
