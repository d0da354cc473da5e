"""VMs, their disks and interfaces, Run Commands; storage accounts and containers."""

from __future__ import annotations

from typing import Any

import pytest

from azure_simulator.backing import CommandResult
from azure_simulator.resources import Body
from tests.unit.simulator_arm.conftest import Azure
from tests.unit.simulator_arm.test_arm_disks import make_disk
from tests.unit.simulator_arm.test_arm_networks import interface_body, make_network

REGION = {"location": "westeurope"}
IMAGE = {
    "publisher": "Canonical",
    "offer": "0001-com-ubuntu-server-jammy",
    "sku": "22_04-lts-gen2",
    "version": "latest",
}


async def machine_body(azure: Azure, delete_option: str = "Delete") -> Body:
    network = await make_network(azure)
    interface = azure.id("Microsoft.Network/networkInterfaces", "nic")
    await azure.put(interface, interface_body(network))
    key = {"path": "/home/worker/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}}
    return {
        **REGION,
        "tags": {"role": "worker"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
            "storageProfile": {
                "imageReference": IMAGE,
                "osDisk": {"createOption": "FromImage", "deleteOption": delete_option},
            },
            "osProfile": {
                "computerName": "worker",
                "adminUsername": "worker",
                "customData": "c2VjcmV0",
                "linuxConfiguration": linux,
            },
            "networkProfile": {
                "networkInterfaces": [
                    {"id": interface, "properties": {"deleteOption": delete_option}}
                ]
            },
        },
    }


async def make_machine(azure: Azure, delete_option: str = "Delete") -> str:
    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    await azure.put(machine, await machine_body(azure, delete_option))
    return machine


async def power(azure: Azure, machine: str) -> list[str]:
    view = await azure.get(f"{machine}/instanceView")
    return [status["code"] for status in view["statuses"]]


async def test_the_instance_view_says_since_when_the_machine_is_as_it_is(azure: Azure) -> None:
    """Whoever counts how long a VM has been deallocated counts from there."""
    machine = await make_machine(azure)

    async def since() -> str:
        view = await azure.get(f"{machine}/instanceView")
        time: str = view["statuses"][0]["time"]
        return time

    running = await since()
    assert await since() == running
    await azure.done(await azure.send("POST", f"{machine}/deallocate"))
    deallocated = await since()

    assert running < deallocated == await since()


async def test_a_machine_is_made_of_an_image_with_a_managed_os_disk(azure: Azure) -> None:
    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    reply = await azure.send("PUT", machine, await machine_body(azure))
    assert (reply.status, reply.body["properties"]["provisioningState"]) == (201, "Creating")
    assert "Location" not in reply.headers
    assert "customData" not in str(reply.body)
    await azure.done(reply)

    body = await azure.get(machine)
    shown = body["properties"]["storageProfile"]["osDisk"]
    disk = await azure.get(shown["managedDisk"]["id"])
    assert disk["managedBy"] == machine
    assert disk["properties"]["diskState"] == "Attached"
    assert azure.machines.images[machine.lower()]["sku"] == "22_04-lts-gen2"
    assert await power(azure, machine) == ["ProvisioningState/succeeded", "PowerState/running"]
    interface = await azure.get(azure.id("Microsoft.Network/networkInterfaces", "nic"))
    assert interface["properties"]["virtualMachine"] == {"id": machine}


async def test_a_machine_attaches_disks_that_exist(azure: Azure) -> None:
    disks = [await make_disk(azure, f"disk{number}") for number in range(2)]
    body = await machine_body(azure)
    del body["properties"]["osProfile"]
    body["properties"]["storageProfile"] = {
        "osDisk": {
            "createOption": "Attach",
            "osType": "Linux",
            "managedDisk": {"id": disks[0]},
        },
        "dataDisks": [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": disks[1]}}],
    }
    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    await azure.put(machine, body)

    assert (await azure.get(disks[1]))["managedBy"] == machine
    asked = {"access": "Read", "durationInSeconds": 60}
    refused = await azure.send("POST", f"{disks[1]}/beginGetAccess", asked)
    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    assert (await azure.send("DELETE", disks[1])).code == "OperationNotAllowed"
    twin = azure.id("Microsoft.Compute/virtualMachines", "twin")
    assert (await azure.send("PUT", twin, body)).status == 409
    await azure.done(await azure.send("DELETE", machine))
    assert "managedBy" not in await azure.get(disks[1])


@pytest.mark.parametrize(("option", "status"), [("Delete", 404), ("Detach", 200)])
async def test_a_deleted_machine_takes_along_what_its_delete_options_say(
    azure: Azure, option: str, status: int
) -> None:
    machine = await make_machine(azure, option)
    body = await azure.get(machine)
    disk = body["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"]
    interface = azure.id("Microsoft.Network/networkInterfaces", "nic")

    await azure.done(await azure.send("DELETE", machine))

    for path in (disk, interface):
        assert (await azure.send("GET", path)).status == status
    assert machine.lower() not in azure.machines.up


@pytest.mark.parametrize("speed", [100])
async def test_power_actions_change_power_and_the_machine(azure: Azure) -> None:
    machine = await make_machine(azure)
    for action, code, up in (
        ("powerOff", "PowerState/stopped", False),
        ("start", "PowerState/running", True),
        ("deallocate", "PowerState/deallocated", False),
        ("start", "PowerState/running", True),
        ("restart", "PowerState/running", True),
    ):
        reply = await azure.send("POST", f"{machine}/{action}")
        assert (reply.status, reply.body) == (202, None)
        busy = await azure.send("POST", f"{machine}/start")
        assert (busy.status, busy.code) == (409, "OperationNotAllowed")
        await azure.done(reply)
        assert (await power(azure, machine))[1] == code
        assert azure.machines.running(machine) == up


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"hardwareProfile": {"vmSize": "Standard_Huge"}}, 400, "InvalidParameter"),
        ({"networkProfile": {}}, 400, "InvalidParameter"),
        (
            {"storageProfile": {"imageReference": {**IMAGE, "sku": "99"}, "osDisk": {}}},
            404,
            "PlatformImageNotFound",
        ),
    ],
)
async def test_a_machine_that_cannot_be_is_refused(
    azure: Azure, change: dict[str, Any], status: int, code: str
) -> None:
    body = await machine_body(azure)
    body["properties"] |= change

    reply = await azure.send("PUT", azure.id("Microsoft.Compute/virtualMachines", "vm"), body)

    assert (reply.status, reply.code) == (status, code)


async def test_a_run_command_gets_its_protected_parameters_and_never_shows_them(
    azure: Azure,
) -> None:
    machine = await make_machine(azure)
    command = f"{machine}/runCommands/install"
    properties = {
        "source": {"script": "echo $SAS"},
        "protectedParameters": [{"name": "SAS", "value": "secret"}],
        "parameters": [{"name": "REGION", "value": "westeurope"}],
    }
    reply = await azure.send("PUT", command, {**REGION, "properties": properties})
    await azure.done(reply)

    assert azure.machines.ran == [("echo $SAS", {"SAS": "secret", "REGION": "westeurope"})]
    assert "secret" not in str(reply.body)
    plain = await azure.get(command)
    assert "secret" not in str(plain)
    assert "instanceView" not in plain["properties"]
    viewed = (await azure.get(command, "&$expand=instanceView"))["properties"]["instanceView"]
    assert (viewed["executionState"], viewed["exitCode"]) == ("Succeeded", 0)
    assert viewed["output"] == "done\n"


async def test_a_machine_keeps_so_many_run_commands_and_no_more(azure: Azure) -> None:
    machine = await make_machine(azure)
    script = {**REGION, "properties": {"source": {"script": "true"}}}
    for number in range(25):
        await azure.put(f"{machine}/runCommands/launch-{number}", script)

    one_more = await azure.send("PUT", f"{machine}/runCommands/launch-25", script)
    await azure.done(await azure.send("PUT", f"{machine}/runCommands/launch-0", script))
    await azure.done(await azure.send("DELETE", f"{machine}/runCommands/launch-0"))
    await azure.put(f"{machine}/runCommands/launch-25", script)

    assert (one_more.status, one_more.code) == (409, "OperationNotAllowed")


async def test_an_asynchronous_run_command_ends_before_its_script(azure: Azure) -> None:
    machine = await make_machine(azure)
    command = f"{machine}/runCommands/agent"
    azure.machines.gate.clear()
    properties = {"source": {"script": "sleep 1"}, "asyncExecution": True}

    body = await azure.put(command, {**REGION, "properties": properties})
    during = await azure.get(command, "&$expand=instanceView")
    again = await azure.send("PUT", command, {**REGION, "properties": properties})
    azure.machines.gate.set()

    assert body["properties"]["provisioningState"] == "Succeeded"
    assert during["properties"]["instanceView"]["executionState"] == "Running"
    assert (again.status, again.code) == (409, "OperationNotAllowed")


async def test_a_failed_script_is_told_by_its_exit_code(azure: Azure) -> None:
    machine = await make_machine(azure)
    azure.machines.result = CommandResult(3, "x" * 5000, "no such file")
    command = f"{machine}/runCommands/install"

    await azure.put(command, {**REGION, "properties": {"source": {"script": "false"}}})
    view = (await azure.get(command, "&$expand=instanceView"))["properties"]["instanceView"]

    assert (view["executionState"], view["exitCode"], view["error"]) == (
        "Failed",
        3,
        "no such file",
    )
    assert len(view["output"]) == 4096


async def test_a_run_command_needs_a_running_machine(azure: Azure) -> None:
    machine = await make_machine(azure)
    await azure.done(await azure.send("POST", f"{machine}/deallocate"))

    reply = await azure.send(
        "PUT",
        f"{machine}/runCommands/install",
        {**REGION, "properties": {"source": {"script": "true"}}},
    )

    assert (reply.status, reply.code) == (409, "OperationNotAllowed")


async def test_the_run_command_action_returns_output(azure: Azure) -> None:
    machine = await make_machine(azure)
    asked = {"commandId": "RunShellScript", "script": ["echo a", "echo b"]}

    reply = await azure.send("POST", f"{machine}/runCommand", asked)
    last = await azure.done(reply)

    assert (reply.status, reply.body) == (202, None)
    assert azure.machines.ran[0][0] == "echo a\necho b"
    value = last.body["properties"]["output"]["value"]
    assert "[stdout]\ndone" in value[0]["message"]


async def test_an_accounts_name_is_taken_everywhere(azure: Azure) -> None:
    account = {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    await azure.put(azure.id("Microsoft.Storage/storageAccounts", "acct1"), account)
    other = f"{azure.group}2"
    await azure.send("PUT", other, {"location": "westeurope"})
    twin = f"{other}/providers/Microsoft.Storage/storageAccounts/acct1"
    check = f"/subscriptions/{azure.group.split('/')[2]}/providers/Microsoft.Storage"

    reply = await azure.send("PUT", twin, account)
    asked = {"name": "acct1", "type": "Microsoft.Storage/storageAccounts"}
    checked = await azure.send("POST", f"{check}/checkNameAvailability", asked)

    assert (reply.status, reply.code) == (409, "StorageAccountAlreadyTaken")
    assert (checked.body["nameAvailable"], checked.body["reason"]) == (False, "AlreadyExists")


async def test_an_accounts_settings_keys_and_containers(azure: Azure) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    await azure.put(account, {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    patch = {"properties": {"publicNetworkAccess": "Disabled", "allowSharedKeyAccess": False}}

    assert (await azure.send("PATCH", account, patch)).status == 200
    properties = (await azure.get(account))["properties"]
    assert (properties["publicNetworkAccess"], properties["allowSharedKeyAccess"]) == (
        "Disabled",
        False,
    )
    keys = (await azure.send("POST", f"{account}/listKeys")).body["keys"]
    assert [key["keyName"] for key in keys] == ["key1", "key2"]
    assert keys[0]["value"] not in str(await azure.get(account))
    container = f"{account}/blobServices/default/containers/backups"
    assert (await azure.send("GET", container)).code == "ContainerNotFound"
    assert (await azure.send("PUT", container, {})).status == 201
    assert (await azure.send("PUT", container, {})).status == 200
    assert (await azure.send("GET", container)).headers["ETag"]
    listed = await azure.get(f"{account}/blobServices/default/containers")
    assert [c["name"] for c in listed["value"]] == ["backups"]
    assert (await azure.send("DELETE", account)).status == 200
    assert azure.accounts.containers == {}


WORM = {"immutableStorageWithVersioning": {"enabled": True}}


async def test_an_account_is_made_for_immutability_and_stays_so(azure: Azure) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    body = {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": WORM}
    await azure.put(account, body)
    container = f"{account}/blobServices/default/containers/backups"
    off = {"properties": {"immutableStorageWithVersioning": {"enabled": False}}}

    await azure.send("PUT", container, {})
    answers = [
        (await azure.send("PATCH", account, off)).code,
        (await azure.send("DELETE", account)).code,
    ]

    assert answers == [
        "StorageAccountPropertyCannotBeUpdated",
        "StorageAccountProtectedFromDeletion",
    ]
    shown = (await azure.get(container))["properties"]["immutableStorageWithVersioning"]
    assert shown == {"enabled": True}


async def test_a_container_is_made_for_immutability_where_versions_are_kept(azure: Azure) -> None:
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    await azure.put(account, {**REGION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    service = f"{account}/blobServices/default"
    container, plain = f"{service}/containers/backups", f"{service}/containers/plain"

    too_early = await azure.send("PUT", container, {"properties": WORM})
    await azure.send("PUT", service, {"properties": {"isVersioningEnabled": True}})
    made = await azure.send("PUT", container, {"properties": WORM})
    await azure.send("PUT", plain, {})
    too_late = await azure.send("PUT", plain, {"properties": WORM})

    assert (too_early.status, too_early.code) == (409, "BlobVersioningNotEnabled")
    assert made.status == 201
    assert (too_late.status, too_late.code) == (409, "ContainerImmutabilityCannotBeUpdated")
    assert (await azure.send("PUT", container, {})).status == 200
    shown = (await azure.get(container))["properties"]["immutableStorageWithVersioning"]
    assert shown == {"enabled": True}
    assert (await azure.send("DELETE", account)).code == "StorageAccountProtectedFromDeletion"


async def test_skus_of_a_region_are_listed(azure: Azure) -> None:
    path = f"/subscriptions/{azure.group.split('/')[2]}/providers/Microsoft.Compute/skus"

    listed = await azure.get(path, "&$filter=location%20eq%20'westeurope'")

    assert "Standard_F2s_v2" in {sku["name"] for sku in listed["value"]}
    assert {tuple(sku["locations"]) for sku in listed["value"]} == {("westeurope",)}
