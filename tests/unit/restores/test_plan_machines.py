"""What VM and which network interfaces a plan makes of those of a point."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.restores.planned_machines import (
    DISK,
    NIC,
    RECORDED,
    machine_of,
    patched,
    planned,
    refusal,
    with_machine,
)
from tests.worlds.recorded_vm import (
    ADDRESS_ID,
    ASG_ID,
    AVAILABILITY_ID,
    IDENTITY_ID,
    NSG_ID,
    POINT_DISKS,
    REGION,
    RUN,
    SUBNET_ID,
    SUBSCRIPTION,
    TARGET,
    described,
    interface_body,
    machine_body,
    restore_spec,
)
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import body_at, value_at
from vmbackup_operator.model.restore_session import (
    InterfaceOverride,
    RestoreOverrides,
    TargetTag,
)
from vmbackup_operator.model.vm_description import VmDescription
from vmbackup_operator.restores.planning.plan import MOST_TOLD, plan_restore


def test_the_vm_comes_back_with_every_property_that_azure_lets_one_set() -> None:
    plan = planned()

    assert plan.machine is not None
    assert plan.machine.id == f"{TARGET}/providers/Microsoft.Compute/virtualMachines/web-01"
    assert plan.machine.body == {
        "location": REGION,
        "zones": ["2"],
        "tags": {"team": "web", "cost": "42"},
        "plan": {"name": "hardened", "publisher": "someone", "product": "linux"},
        "identity": {
            "type": "SystemAssigned, UserAssigned",
            "userAssignedIdentities": {IDENTITY_ID: {}},
        },
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "additionalCapabilities": {"hibernationEnabled": False},
            "storageProfile": {
                "osDisk": {
                    "osType": "Linux",
                    "createOption": "Attach",
                    "caching": "ReadWrite",
                    "writeAcceleratorEnabled": False,
                    "managedDisk": {"id": f"{DISK}/web-01-os-01234567"},
                    "deleteOption": "Delete",
                },
                "dataDisks": [
                    {
                        "lun": 0,
                        "createOption": "Attach",
                        "caching": "ReadOnly",
                        "managedDisk": {"id": f"{DISK}/web-01-0-01234567"},
                        "deleteOption": "Detach",
                    }
                ],
                "diskControllerType": "SCSI",
            },
            "securityProfile": {
                "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
                "securityType": "TrustedLaunch",
                "encryptionAtHost": True,
            },
            "networkProfile": {
                "networkInterfaces": [{"id": NIC, "properties": {"deleteOption": "Delete"}}]
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            "licenseType": "RHEL_BYOS",
            "priority": "Regular",
            "resiliencyProfile": {"zoneMovement": {"isEnabled": True}},
        },
    }


def test_an_interface_comes_back_with_its_settings_and_without_what_the_old_one_holds() -> None:
    (interface,) = planned().interfaces

    assert interface.id == NIC
    assert interface.body == {
        "location": REGION,
        "tags": {"team": "web"},
        "properties": {
            "ipConfigurations": [
                {
                    "name": "first",
                    "properties": {
                        "privateIPAddressVersion": "IPv4",
                        "subnet": {"id": SUBNET_ID},
                        "primary": True,
                        "applicationSecurityGroups": [{"id": ASG_ID}],
                    },
                },
                {
                    "name": "second",
                    "properties": {
                        "privateIPAddressVersion": "IPv4",
                        "subnet": {"id": SUBNET_ID},
                        "primary": False,
                    },
                },
            ],
            "dnsSettings": {"dnsServers": ["10.0.0.4"]},
            "enableAcceleratedNetworking": True,
            "enableIPForwarding": True,
            "disableTcpStateTracking": False,
            "networkSecurityGroup": {"id": NSG_ID},
            "nicType": "Standard",
            "auxiliaryMode": "None",
        },
    }


@pytest.mark.parametrize(
    "said",
    [
        f"publicIPAddress ({ADDRESS_ID})",
        "ipConfigurations[0].properties.privateIPAddress (10.0.0.7)",
        "properties.macAddress (00-0D-3A-01-02-03)",
        "virtual machine: resources",
        "virtual machine: properties.osProfile",
        "identity.principalId (00000000-0000-4000-8000-00000000000a)",
    ],
)
def test_what_could_not_be_set_again_is_told_once(said: str) -> None:
    notes = planned().not_restored

    assert sum(said in note for note in notes) == 1
    assert all(len(note) <= 256 for note in notes)


def test_a_free_address_is_no_loss_where_none_was_fixed() -> None:
    assert not any("10.0.0.8" in note for note in planned().not_restored)


def test_everything_that_the_bodies_name_is_among_the_ids_used() -> None:
    used = planned().ids_used

    assert {SUBNET_ID, NSG_ID, ASG_ID, IDENTITY_ID, TARGET, NIC} <= {*used}
    assert ADDRESS_ID not in used
    assert len(used) == len(set(used))


def test_boot_diagnostics_in_an_account_use_what_only_the_subscription_names() -> None:
    diagnostics = {"bootDiagnostics": {"enabled": True, "storageUri": "https://logs.example/"}}

    assert f"/subscriptions/{SUBSCRIPTION}" not in planned().ids_used
    assert (
        f"/subscriptions/{SUBSCRIPTION}"
        in planned(with_machine(diagnosticsProfile=diagnostics)).ids_used
    )


def test_the_target_names_size_zone_network_and_tags() -> None:
    other = f"{SUBNET_ID}-other"
    plan = planned(
        with_machine(hardwareProfile={"vmSize": "Standard_D4s_v5", "vmSizeProperties": {"x": 1}}),
        vm_name="web-02",
        vm_size="Standard_E8s_v5",
        zone="1",
        subnet_id=other,
        tags=(TargetTag("team", "restore"),),
    )

    body = machine_of(plan)
    assert plan.machine is not None
    assert plan.machine.id.endswith("/virtualMachines/web-02")
    assert body_at(body, "properties", "hardwareProfile") == {"vmSize": "Standard_E8s_v5"}
    assert body["zones"] == ["1"]
    assert body["tags"] == {"team": "restore", "cost": "42"}
    assert plan.interfaces[0].body["tags"] == {"team": "restore"}
    assert (SUBNET_ID in str(plan.interfaces), other in str(plan.interfaces)) == (True, True)
    assert f"{SUBNET_ID}'" not in str(plan.interfaces)
    assert any("vmSizeProperties" in note for note in plan.not_restored)


def test_in_another_region_what_lies_in_the_recorded_one_is_told() -> None:
    plan = planned(
        with_machine(availabilitySet={"id": AVAILABILITY_ID}, host={"id": f"{TARGET}/x"}),
        region="uksouth",
        subnet_id=f"{SUBNET_ID}-other",
    )

    for name in ("availabilitySet", "host", "zones", "networkSecurityGroup"):
        assert any(name in note for note in plan.not_restored), name
        assert name not in machine_of(plan) | body_at(machine_of(plan), "properties")
    assert NSG_ID not in plan.ids_used
    assert ASG_ID not in plan.ids_used


def test_a_subnet_of_another_region_is_refused_until_one_is_named() -> None:
    refused = refusal(region="uksouth")

    assert refused.reason == "NetworkOfAnotherRegion"
    assert "spec.target.subnetId" in str(refused)


def test_an_availability_set_serves_its_resource_group_and_no_zone() -> None:
    in_set = with_machine(availabilitySet={"id": AVAILABILITY_ID})

    assert AVAILABILITY_ID not in planned(in_set).ids_used
    assert any("availabilitySet" in note for note in planned(in_set).not_restored)


def test_an_interface_that_the_vm_does_not_have_is_refused() -> None:
    override = RestoreOverrides(network_interfaces=(InterfaceOverride(1),))

    assert refusal(overrides=override).reason == "InterfaceNotInPoint"


def test_an_interface_in_no_subnet_is_refused() -> None:
    override = InterfaceOverride(0, patch={"properties": {"ipConfigurations": []}})

    refused = refusal(overrides=RestoreOverrides(network_interfaces=(override,)))
    assert refused.reason == "SubnetNotFound"


@pytest.mark.parametrize(
    "description",
    [None, VmDescription("session"), described(interfaces=[])],
    ids=["none", "session", "no interfaces"],
)
def test_a_vm_is_not_made_of_a_point_that_does_not_describe_one(
    description: VmDescription | None,
) -> None:
    assert refusal(description, disk_sku="Premium_LRS").reason == "VirtualMachineNotDescribed"


def test_a_vm_is_not_made_without_its_os_disk() -> None:
    with pytest.raises(PermanentError) as refused:
        plan_restore(RECORDED, POINT_DISKS[1:], restore_spec(), RUN)

    assert refused.value.reason == "NoOsDisk"


def test_a_data_disk_that_was_not_backed_up_is_told() -> None:
    plan = plan_restore(RECORDED, POINT_DISKS[:1], restore_spec(), RUN)

    assert value_at(machine_of(plan), "properties", "storageProfile", "dataDisks") == []
    assert any("dataDisks, LUN 0: the point has no such disk" in n for n in plan.not_restored)


def test_an_interface_that_was_not_recorded_is_told_and_another_becomes_primary() -> None:
    listed = [
        {"id": f"{TARGET}/gone", "properties": {"primary": True}},
        {"id": interface_body()["id"].upper(), "properties": {"primary": False}},
        {"id": other_interface()["id"]},
    ]
    plan = planned(
        described(
            machine_body(networkProfile={"networkInterfaces": listed}),
            interfaces=[other_interface(), interface_body()],
        )
    )

    made = value_at(machine_of(plan), "properties", "networkProfile", "networkInterfaces")
    assert made == [
        {"id": NIC, "properties": {"primary": True}},
        {"id": NIC.replace("nic-0", "other-0")},
    ]
    assert any(f"{TARGET}/gone" in note for note in plan.not_restored)


def other_interface() -> dict[str, Any]:
    body = interface_body()
    return body | {"id": body["id"].replace("nic", "other"), "name": "web-01-other"}


def test_a_confidential_vm_is_refused_until_a_patch_makes_it_another() -> None:
    confidential = with_machine(securityProfile={"securityType": "ConfidentialVM"})

    assert refusal(confidential).reason == "SecurityTypeNotSupported"
    trusted = {"securityProfile": {"securityType": "TrustedLaunch"}}
    assert machine_of(planned(confidential, overrides=patched(properties=trusted)))


def test_no_more_is_told_than_a_status_takes() -> None:
    body = interface_body()
    configurations = body["properties"]["ipConfigurations"][:1] * 80
    body["properties"]["ipConfigurations"] = configurations
    notes = planned(described(interfaces=[body])).not_restored

    assert len(notes) == MOST_TOLD
    assert notes[-1].startswith("and ")


def test_the_same_point_and_spec_are_the_same_plan() -> None:
    assert planned(described()) == planned(described())


def test_a_plan_leaves_what_was_recorded_as_it_is() -> None:
    recorded = described()
    planned(recorded, overrides=patched(properties={"storageProfile": {"dataDisks": None}}))

    assert recorded == described()
