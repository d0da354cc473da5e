"""What disks and VMs refer to: encryption sets, identities, zones, and the rights to use them."""

from __future__ import annotations

from typing import Any

import pytest

from azure_simulator.resources import Body
from tests.unit.simulator_arm.conftest import Azure
from tests.unit.simulator_arm.test_arm_disks import DISK_BODY, make_disk, make_disk_access
from tests.unit.simulator_arm.test_arm_networks import interface_body, make_network

REGION = {"location": "westeurope"}
CUSTOMER_KEY = "EncryptionAtRestWithCustomerKey"
SOMEONE = "bbbbbbbb-0000-4000-8000-000000000002"
KEY = {"activeKey": {"keyUrl": "https://vault.vault.azure.net/keys/key/0123"}}


async def make_encryption_set(azure: Azure, name: str = "keys", region: str = "westeurope") -> str:
    made = azure.id("Microsoft.Compute/diskEncryptionSets", name)
    await azure.put(made, {"location": region, "properties": KEY})
    return made


async def make_identity(azure: Azure) -> str:
    made = azure.id("Microsoft.ManagedIdentity/userAssignedIdentities", "web")
    await azure.put(made, REGION)
    return made


def encrypted_by(set_id: str, **properties: Any) -> Body:
    encryption = {"type": CUSTOMER_KEY, "diskEncryptionSetId": set_id}
    empty = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 128}
    return {**DISK_BODY, "properties": {**empty, **properties, "encryption": encryption}}


async def machine_body(azure: Azure, disk: str, **more: Any) -> Body:
    """Return a VM that boots from *disk*."""
    interface = azure.id("Microsoft.Network/networkInterfaces", "nic")
    await azure.put(interface, interface_body(await make_network(azure)))
    os_disk = {"createOption": "Attach", "osType": "Linux", "managedDisk": {"id": disk}}
    return {
        **REGION,
        **more,
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
            "storageProfile": {"osDisk": os_disk},
            "networkProfile": {"networkInterfaces": [{"id": interface}]},
        },
    }


async def allow(azure: Azure, who: str, *actions: str) -> None:
    """Let *who* do the actions, and no others, in the group."""
    definition = (
        f"/subscriptions/{azure.group.split('/')[2]}/providers/Microsoft.Authorization"
        "/roleDefinitions/cccccccc-0000-4000-8000-000000000003"
    )
    role = {
        "roleName": "some",
        "type": "CustomRole",
        "assignableScopes": [azure.group],
        "permissions": [{"actions": list(actions)}],
    }
    await azure.send("PUT", definition, {"properties": role})
    given = {
        "principalId": who,
        "roleDefinitionId": definition,
        "principalType": "ServicePrincipal",
    }
    assignment = f"{azure.group}/providers/Microsoft.Authorization/roleAssignments/{who}"
    assert (await azure.send("PUT", assignment, {"properties": given})).status == 201


async def test_an_encryption_set_shows_its_key_and_an_identity_of_its_own(azure: Azure) -> None:
    body = await azure.get(await make_encryption_set(azure))

    assert body["properties"]["activeKey"] == KEY["activeKey"]
    assert body["properties"]["encryptionType"] == CUSTOMER_KEY
    assert body["identity"]["principalId"]


async def test_an_encryption_set_stays_while_a_disk_uses_it(azure: Azure) -> None:
    made, disk = await make_encryption_set(azure), azure.id("Microsoft.Compute/disks", "d")
    await azure.put(disk, encrypted_by(made))

    assert (await azure.send("DELETE", made)).code == "OperationNotAllowed"
    await azure.done(await azure.send("DELETE", disk))
    await azure.done(await azure.send("DELETE", made))
    gone = await azure.send("GET", made)
    assert (gone.code, gone.body["error"]["message"]) == (
        "NotFound",
        "DiskEncryptionSet 'keys' was not found.",
    )


async def test_a_disk_is_refused_an_encryption_set_that_it_cannot_use(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    missing = azure.id("Microsoft.Compute/diskEncryptionSets", "none")
    elsewhere = await make_encryption_set(azure, region="northeurope")

    assert (await azure.send("PUT", disk, encrypted_by(missing))).code == "NotFound"
    assert (await azure.send("PUT", disk, encrypted_by(elsewhere))).code == "InvalidParameter"
    assert (await azure.send("PUT", disk, encrypted_by(""))).code == "InvalidParameter"


async def test_a_disk_with_a_disk_access_takes_no_upload_under_ones_own_key(azure: Azure) -> None:
    made, access = await make_encryption_set(azure), await make_disk_access(azure)
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": access}
    upload = {"createOption": "Upload", "uploadSizeBytes": 8 * 1024**3 + 512}
    both = encrypted_by(made, **private, creationData=upload, diskSizeGB=8)
    disk = azure.id("Microsoft.Compute/disks", "d")
    assert (await azure.send("PUT", disk, both)).status == 400

    later = both["properties"].pop("encryption")
    await azure.put(disk, both)
    refused = await azure.send("PATCH", disk, {"properties": {"encryption": later}})
    assert refused.status == 400
    await azure.done(
        await azure.send(
            "POST", f"{disk}/beginGetAccess", {"access": "Write", "durationInSeconds": 60}
        )
    )
    azure.exports.whole.add(disk.lower())
    await azure.done(await azure.send("POST", f"{disk}/endGetAccess"))
    await azure.done(await azure.send("PATCH", disk, {"properties": {"encryption": later}}))
    assert (await azure.get(disk))["properties"]["encryption"] == later


async def test_the_encryption_of_a_disk_stays_while_its_vm_runs(azure: Azure) -> None:
    made, disk = await make_encryption_set(azure), await make_disk(azure)
    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    await azure.put(machine, await machine_body(azure, disk))

    change = {"properties": encrypted_by(made)["properties"]}
    assert (await azure.send("PATCH", disk, change)).code == "OperationNotAllowed"


@pytest.mark.parametrize(
    ("more", "status"),
    [((), 403), (("Microsoft.Compute/diskEncryptionSets/read",), 202)],
    ids=["without", "with"],
)
async def test_a_disk_under_ones_own_key_needs_the_right_to_look_at_the_set(
    azure: Azure, more: tuple[str, ...], status: int
) -> None:
    made = await make_encryption_set(azure)
    await allow(azure, SOMEONE, "Microsoft.Compute/disks/*", *more)
    disk = azure.id("Microsoft.Compute/disks", "d")

    assert (await azure.send("PUT", disk, encrypted_by(made), as_=SOMEONE)).status == status


async def test_a_vm_shows_both_kinds_of_identities(azure: Azure) -> None:
    identity, disk = await make_identity(azure), await make_disk(azure)
    wanted = {
        "type": "SystemAssigned, UserAssigned",
        "userAssignedIdentities": {identity: {}},
    }
    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    body = await azure.put(machine, await machine_body(azure, disk, identity=wanted))

    shown = body["identity"]
    said = (await azure.get(identity))["properties"]
    assert shown["type"] == wanted["type"]
    assert shown["principalId"] not in {"", said["principalId"]}
    assert shown["userAssignedIdentities"] == {
        identity: {"principalId": said["principalId"], "clientId": said["clientId"]}
    }


async def test_a_vm_gets_no_identity_that_is_not_there(azure: Azure) -> None:
    nobody = azure.id("Microsoft.ManagedIdentity/userAssignedIdentities", "nobody")
    wanted = {"type": "UserAssigned", "userAssignedIdentities": {nobody: {}}}
    body = await machine_body(azure, await make_disk(azure), identity=wanted)

    reply = await azure.send("PUT", azure.id("Microsoft.Compute/virtualMachines", "vm"), body)
    assert (reply.status, reply.code) == (400, "FailedIdentityOperation")


async def test_giving_an_identity_needs_the_right_to_assign_it(azure: Azure) -> None:
    identity, disk = await make_identity(azure), await make_disk(azure)
    wanted = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    body = await machine_body(azure, disk, identity=wanted)
    await allow(azure, SOMEONE, "Microsoft.Compute/*", "Microsoft.Network/*")

    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    reply = await azure.send("PUT", machine, body, as_=SOMEONE)
    assert reply.code == "LinkedAuthorizationFailed"
    assert "userAssignedIdentities/assign/action" in reply.body["error"]["message"]


@pytest.mark.parametrize(
    ("of_machine", "of_disk", "status"),
    [
        (["1"], ["1"], 201),
        (["1"], ["2"], 400),
        (["1"], [], 400),
        ([], ["1"], 400),
        ([], [], 201),
    ],
)
async def test_a_vm_takes_disks_of_its_own_zone_only(
    azure: Azure, of_machine: list[str], of_disk: list[str], status: int
) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    await azure.put(disk, DISK_BODY | ({"zones": of_disk} if of_disk else {}))
    more = {"zones": of_machine} if of_machine else {}
    body = await machine_body(azure, disk, **more)

    machine = azure.id("Microsoft.Compute/virtualMachines", "vm")
    assert (await azure.send("PUT", machine, body)).status == status


async def test_an_interface_keeps_its_name_servers_and_modes(azure: Azure) -> None:
    interface = azure.id("Microsoft.Network/networkInterfaces", "nic")
    body = interface_body(await make_network(azure))
    body["properties"] |= {
        "dnsSettings": {"dnsServers": ["10.0.0.4"]},
        "disableTcpStateTracking": True,
        "enableIPForwarding": True,
    }
    shown = (await azure.put(interface, body))["properties"]

    assert shown["dnsSettings"]["dnsServers"] == ["10.0.0.4"]
    assert shown["dnsSettings"]["appliedDnsServers"] == ["10.0.0.4"]
    assert (shown["disableTcpStateTracking"], shown["enableIPForwarding"]) == (True, True)
