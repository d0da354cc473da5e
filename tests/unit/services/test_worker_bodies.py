"""What is asked of Azure for a worker, a command and a snapshot."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.environments.bodies import Body, bodies_at, value_at
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.commands import command_body
from vmbackup_operator.services.export_access import export_rules
from vmbackup_operator.services.snapshots import body as snapshot_body
from vmbackup_operator.services.workers import (
    image_reference,
    interface_body,
    machine_body,
    throwaway_key,
)
from vmbackup_operator.sessions.seen import (
    Account,
    CommandWanted,
    Region,
    SnapshotWanted,
    WorkerWanted,
)

GROUP = "/subscriptions/1/resourceGroups/g/providers"
VM_ID = ArmId(f"{GROUP}/Microsoft.Compute/virtualMachines/vmb-w-1")
REGION = Region(
    name="northeurope",
    subscription_id="1",
    region="northeurope",
    resource_group="g",
    virtual_network_id=ArmId(f"{GROUP}/Microsoft.Network/virtualNetworks/v"),
    worker_subnet_id=ArmId(f"{GROUP}/Microsoft.Network/virtualNetworks/v/subnets/workers"),
    endpoint_subnet_id=ArmId(f"{GROUP}/Microsoft.Network/virtualNetworks/v/subnets/endpoints"),
    blob_zone_id=ArmId(f"{GROUP}/Microsoft.Network/privateDnsZones/z"),
    account=Account(
        ArmId(f"{GROUP}/Microsoft.Storage/storageAccounts/a"), "https://b", "https://q"
    ),
    worker_size="Standard_D4s_v5",
    worker_image="Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest",
)
WANTED = WorkerWanted(
    vm_id=VM_ID,
    id=WorkerId("1"),
    run_id=RunId("f" * 32),
    region=REGION,
    tags={"vmbackup-appliance-id": "contoso"},
)


def interfaces_of(machine: Body) -> list[Body]:
    return bodies_at(machine, "properties", "networkProfile", "networkInterfaces")


def test_a_worker_is_in_a_zone_only_where_one_is_asked_for() -> None:
    assert "zones" not in machine_body(WANTED, throwaway_key())
    assert machine_body(replace(WANTED, zone="2"), throwaway_key())["zones"] == ["2"]


def test_a_worker_has_no_public_address() -> None:
    (configuration,) = bodies_at(interface_body(WANTED), "properties", "ipConfigurations")

    assert value_at(configuration, "properties", "publicIPAddress") is None
    assert value_at(configuration, "properties", "subnet", "id") == REGION.worker_subnet_id


def test_a_worker_takes_interface_and_disk_along_when_it_goes() -> None:
    machine = machine_body(WANTED, throwaway_key())

    (interface,) = interfaces_of(machine)
    assert value_at(interface, "properties", "deleteOption") == "Delete"
    assert value_at(machine, "properties", "storageProfile", "osDisk", "deleteOption") == "Delete"


def test_nobody_can_log_in_with_a_password() -> None:
    profile = value_at(machine_body(WANTED, "key"), "properties", "osProfile")

    assert isinstance(profile, dict)
    assert "adminPassword" not in profile
    assert value_at(profile, "linuxConfiguration", "disablePasswordAuthentication") is True


def test_every_worker_has_a_key_of_its_own() -> None:
    first, second = throwaway_key(), throwaway_key()

    assert first != second
    load_ssh_public_key(first.encode())


def test_all_that_carries_tags_is_created_with_them() -> None:
    for body in (interface_body(WANTED), machine_body(WANTED, "key")):
        assert body["tags"] == {"vmbackup-appliance-id": "contoso"}


def test_an_image_is_named_by_its_parts_or_by_its_id() -> None:
    assert image_reference("a:b:c:d") == {
        "publisher": "a", "offer": "b", "sku": "c", "version": "d"
    }  # fmt: skip
    assert image_reference("/subscriptions/1/x") == {"id": "/subscriptions/1/x"}


def test_a_command_hides_what_is_secret_and_is_not_waited_for() -> None:
    wanted = CommandWanted(
        VM_ID, "launch", "northeurope", "echo", {"KEY": "secret"}, tags={"team": "backup"}
    )

    body = command_body(wanted)

    assert value_at(body, "properties", "protectedParameters") == [
        {"name": "KEY", "value": "secret"}
    ]
    assert value_at(body, "properties", "parameters") is None
    assert value_at(body, "properties", "asyncExecution") is True
    assert value_at(body, "tags") == {"team": "backup"}
    assert "secret" not in repr(wanted)


def test_a_snapshot_begins_closed_incremental_and_tagged() -> None:
    wanted = SnapshotWanted(ArmId("/s"), "northeurope", ArmId("/disk"), {"vmbackup-run-id": "1"})

    assert snapshot_body(wanted) == {
        "location": "northeurope",
        "tags": {"vmbackup-run-id": "1"},
        "properties": {
            "incremental": True,
            "creationData": {"createOption": "Copy", "sourceResourceId": "/disk"},
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
        },
    }


def test_an_export_is_private_unless_the_region_is_public() -> None:
    assert export_rules(ArmId("/da")) == {
        "properties": {
            "networkAccessPolicy": "AllowPrivate",
            "diskAccessId": "/da",
            "publicNetworkAccess": "Disabled",
        }
    }
    assert value_at(export_rules(None), "properties", "networkAccessPolicy") == "AllowAll"
