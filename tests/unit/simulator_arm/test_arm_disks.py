"""Disks, snapshots and how they may be exported: families, limits, policies, disk accesses."""

from __future__ import annotations

from typing import Any

import pytest

from azure_simulator.resources import Body
from tests.unit.simulator_arm.conftest import SLOWLY, Azure

REGION = {"location": "westeurope"}
DISK_BODY = {
    **REGION,
    "sku": {"name": "Premium_LRS"},
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 128},
}


async def make_disk(azure: Azure, name: str = "d") -> str:
    disk = azure.id("Microsoft.Compute/disks", name)
    await azure.put(disk, DISK_BODY)
    return disk


def snapshot_body(disk: str, **properties: Any) -> Body:
    creation = {"createOption": "Copy", "sourceResourceId": disk}
    return {**REGION, "properties": {"creationData": creation, "incremental": True, **properties}}


async def make_snapshot(azure: Azure, disk: str, name: str = "s", **properties: Any) -> str:
    snapshot = azure.id("Microsoft.Compute/snapshots", name)
    await azure.put(snapshot, snapshot_body(disk, **properties))
    return snapshot


async def make_disk_access(azure: Azure, name: str = "access") -> str:
    disk_access = azure.id("Microsoft.Compute/diskAccesses", name)
    await azure.put(disk_access, REGION)
    return disk_access


async def grant(azure: Azure, snapshot: str) -> str:
    asked = {"access": "Read", "durationInSeconds": 3600}
    reply = await azure.send("POST", f"{snapshot}/beginGetAccess", asked)
    last = await azure.done(reply)
    return str(last.body["properties"]["output"]["accessSAS"])


async def test_a_disk_is_filled_in_as_azure_does(azure: Azure) -> None:
    disk = await azure.get(await make_disk(azure))

    assert disk["sku"] == {"name": "Premium_LRS", "tier": "Premium"}
    properties = disk["properties"]
    assert (properties["tier"], properties["diskSizeBytes"]) == ("P10", 128 * 1024**3)
    assert (properties["networkAccessPolicy"], properties["publicNetworkAccess"]) == (
        "AllowAll",
        "Enabled",
    )


async def test_incremental_snapshots_of_a_disk_are_one_family(azure: Azure) -> None:
    disk = await make_disk(azure)
    first = (await azure.get(await make_snapshot(azure, disk, "s1")))["properties"]
    second = (await azure.get(await make_snapshot(azure, disk, "s2")))["properties"]
    other = await make_snapshot(azure, await make_disk(azure, "d2"), "s3")
    third = (await azure.get(other))["properties"]

    assert first["incrementalSnapshotFamilyId"] == second["incrementalSnapshotFamilyId"]
    assert first["incrementalSnapshotFamilyId"] != third["incrementalSnapshotFamilyId"]
    unique = (await azure.get(disk))["properties"]["uniqueId"]
    assert first["creationData"]["sourceUniqueId"] == unique
    assert (first["completionPercent"], first["diskSizeGB"]) == (100, 128)
    assert (
        azure.contents.there[azure.id("Microsoft.Compute/snapshots", "s1").lower()] == disk.lower()
    )


async def test_a_snapshot_holds_the_disk_at_its_request(azure: Azure) -> None:
    disk = await make_disk(azure)
    snapshot = azure.id("Microsoft.Compute/snapshots", "s")

    reply = await azure.send("PUT", snapshot, snapshot_body(disk))

    assert reply.status == 202
    assert snapshot.lower() in azure.contents.there
    await azure.done(reply)


async def test_a_tag_of_the_creating_put_is_there_from_the_start(azure: Azure) -> None:
    disk = await make_disk(azure)
    snapshot = azure.id("Microsoft.Compute/snapshots", "s")
    body = snapshot_body(disk) | {"tags": {"vmbackup-set": "x"}}

    reply = await azure.send("PUT", snapshot, body)

    assert reply.body["tags"] == {"vmbackup-set": "x"}
    assert (await azure.get(snapshot))["tags"] == {"vmbackup-set": "x"}


async def test_only_seven_incremental_snapshots_of_a_disk_are_made_in_five_minutes(
    azure: Azure,
) -> None:
    disk = await make_disk(azure)
    for number in range(7):
        path = azure.id("Microsoft.Compute/snapshots", f"s{number}")
        assert (await azure.send("PUT", path, snapshot_body(disk))).status == 202

    eighth = azure.id("Microsoft.Compute/snapshots", "s7")
    reply = await azure.send("PUT", eighth, snapshot_body(disk))

    assert (reply.status, reply.code) == (409, "OperationNotAllowed")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"networkAccessPolicy": "AllowPrivate"}, "ConflictingUserInput"),
        ({"networkAccessPolicy": "DenyAll", "diskAccessId": "/x"}, "ConflictingUserInput"),
        ({"networkAccessPolicy": "Whatever"}, "InvalidParameter"),
    ],
)
async def test_a_policy_that_azure_refuses_is_refused(
    azure: Azure, properties: dict[str, str], code: str
) -> None:
    disk = await make_disk(azure)

    reply = await azure.send(
        "PUT", azure.id("Microsoft.Compute/snapshots", "s"), snapshot_body(disk, **properties)
    )

    assert reply.code == code


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"networkAccessPolicy": "DenyAll"}, "OperationNotAllowed"),
        ({"publicNetworkAccess": "Disabled"}, "PublicNetworkAccessDisabled"),
    ],
)
async def test_a_snapshot_without_a_way_out_is_not_exported(
    azure: Azure, properties: dict[str, str], code: str
) -> None:
    snapshot = await make_snapshot(azure, await make_disk(azure), **properties)
    asked = {"access": "Read", "durationInSeconds": 3600}

    reply = await azure.send("POST", f"{snapshot}/beginGetAccess", asked)

    assert (reply.status, reply.code) == (409, code)


async def test_a_snapshot_is_patched_to_a_disk_access_and_exported_over_its_host(
    azure: Azure,
) -> None:
    disk, disk_access = await make_disk(azure), await make_disk_access(azure)
    snapshot = await make_snapshot(azure, disk, networkAccessPolicy="DenyAll")
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": disk_access}

    reply = await azure.send("PATCH", snapshot, {"properties": private})
    assert reply.status == 202
    await azure.done(reply)
    url = await grant(azure, snapshot)

    assert "https://md-impexp-" in url
    assert (await azure.get(snapshot))["properties"]["diskState"] == "ActiveSAS"
    assert await grant(azure, snapshot) == url


async def test_a_sas_lasts_from_its_first_grant_however_often_it_is_asked_for(
    azure: Azure,
) -> None:
    started = azure.exports.clock()
    now = [started]
    azure.exports.clock = lambda: now[0]
    snapshot = await make_snapshot(azure, await make_disk(azure))
    first = await grant(azure, snapshot)

    now[0] = started + 3599
    again = await grant(azure, snapshot)
    now[0] = started + 3600
    ended = (await azure.get(snapshot))["properties"]["diskState"]

    assert again == first
    assert ended == "Unattached"
    assert await grant(azure, snapshot) != first


async def test_only_the_end_of_access_makes_room_for_a_new_sas(azure: Azure) -> None:
    snapshot = await make_snapshot(azure, await make_disk(azure))
    first = await grant(azure, snapshot)

    await azure.done(await azure.send("POST", f"{snapshot}/endGetAccess"))

    assert await grant(azure, snapshot) != first


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param({"durationInSeconds": 5184000}, 202, id="sixty days"),
        pytest.param({"durationInSeconds": 5184001}, 400, id="longer than Azure gives any"),
        pytest.param({"durationInSeconds": 0}, 400, id="no time"),
        pytest.param({"durationInSeconds": "3600"}, 400, id="text"),
        pytest.param({"access": "None"}, 400, id="no access"),
        pytest.param({"fileFormat": "VHDX"}, 400, id="another format"),
        pytest.param({"getSecureVMGuestStateSAS": True}, 400, id="guest state"),
    ],
)
async def test_what_a_sas_may_be_asked_for(
    azure: Azure, asked: dict[str, Any], status: int
) -> None:
    snapshot = await make_snapshot(azure, await make_disk(azure))
    body = {"access": "Read", "durationInSeconds": 3600, **asked}

    reply = await azure.send("POST", f"{snapshot}/beginGetAccess", body)

    assert reply.status == status


async def test_a_disk_that_wants_tokens_beside_its_sas_is_refused_by_name(azure: Azure) -> None:
    disk = await make_disk(azure)
    snapshot = await make_snapshot(azure, disk, dataAccessAuthMode="None")
    mode = {"dataAccessAuthMode": "AzureActiveDirectory"}

    made = await azure.send("PUT", f"{snapshot}2", snapshot_body(disk, **mode))
    patched = await azure.send("PATCH", snapshot, {"properties": mode})
    of_a_disk = await azure.send("PATCH", disk, {"properties": mode})

    for reply in (made, patched, of_a_disk):
        assert reply.status == 400
        assert "dataAccessAuthMode" in reply.body["error"]["message"]


@SLOWLY
async def test_a_disk_access_that_is_being_created_cannot_be_used_yet(azure: Azure) -> None:
    disk = await make_disk(azure)
    disk_access = azure.id("Microsoft.Compute/diskAccesses", "access")
    creating = await azure.send("PUT", disk_access, REGION)
    body = snapshot_body(disk, networkAccessPolicy="AllowPrivate", diskAccessId=disk_access)

    reply = await azure.send("PUT", azure.id("Microsoft.Compute/snapshots", "s"), body)

    assert (creating.status, "properties" in creating.body) == (202, False)
    assert (reply.status, reply.code) == (400, "Conflict")
    assert "is in failed state" in reply.body["error"]["message"]


async def test_a_disk_access_exports_five_at_a_time(azure: Azure) -> None:
    disk_access = await make_disk_access(azure)
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": disk_access}
    snapshots = []
    for number in range(6):
        disk = await make_disk(azure, f"d{number}")
        snapshots.append(await make_snapshot(azure, disk, f"s{number}", **private))
    for snapshot in snapshots[:5]:
        await grant(azure, snapshot)
    asked = {"access": "Read", "durationInSeconds": 3600}

    sixth = await azure.send("POST", f"{snapshots[5]}/beginGetAccess", asked)
    assert (sixth.status, sixth.code) == (409, "OperationNotAllowed")
    await azure.done(await azure.send("POST", f"{snapshots[0]}/endGetAccess"))
    assert await grant(azure, snapshots[5])


@SLOWLY
async def test_exports_that_are_being_granted_count_too(azure: Azure) -> None:
    disk_access = await make_disk_access(azure)
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": disk_access}
    snapshots = [
        await make_snapshot(azure, await make_disk(azure, f"d{n}"), f"s{n}", **private)
        for n in range(6)
    ]
    asked = {"access": "Read", "durationInSeconds": 3600}

    replies = [await azure.send("POST", f"{s}/beginGetAccess", asked) for s in snapshots]

    assert [reply.status for reply in replies] == [202] * 5 + [409]


async def test_a_snapshot_with_active_access_is_not_deleted(azure: Azure) -> None:
    snapshot = await make_snapshot(azure, await make_disk(azure))
    await grant(azure, snapshot)

    refused = await azure.send("DELETE", snapshot)
    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    ended = await azure.send("POST", f"{snapshot}/endGetAccess")
    assert (ended.status, ended.body) == (202, None)
    await azure.done(ended)
    await azure.done(await azure.send("DELETE", snapshot))
    assert (await azure.send("GET", snapshot)).code == "NotFound"
    assert snapshot.lower() not in azure.contents.there


async def test_a_snapshot_needs_the_right_to_read_its_disk(azure: Azure) -> None:
    disk = await make_disk(azure)
    someone = "bbbbbbbb-0000-4000-8000-000000000002"
    base = f"/subscriptions/{azure.group.split('/')[2]}/providers/Microsoft.Authorization"
    definition = f"{base}/roleDefinitions/dddddddd-0000-4000-8000-000000000004"
    role = {
        "roleName": "Snapshots only",
        "assignableScopes": [azure.group],
        "permissions": [{"actions": ["Microsoft.Compute/snapshots/*"]}],
    }
    assert (await azure.send("PUT", definition, {"properties": role})).status == 201
    given = {
        "principalId": someone,
        "roleDefinitionId": definition,
        "principalType": "ServicePrincipal",
    }
    assignment = f"{azure.group}/providers/Microsoft.Authorization/roleAssignments/{someone}"
    assert (await azure.send("PUT", assignment, {"properties": given})).status == 201

    reply = await azure.send(
        "PUT", azure.id("Microsoft.Compute/snapshots", "s"), snapshot_body(disk), as_=someone
    )

    assert (reply.status, reply.code) == (403, "LinkedAuthorizationFailed")
    assert "'Microsoft.Compute/disks/beginGetAccess/action'" in reply.body["error"]["message"]


async def test_a_disk_is_made_of_a_snapshot(azure: Azure) -> None:
    snapshot = await make_snapshot(azure, await make_disk(azure))
    restored = azure.id("Microsoft.Compute/disks", "restored")
    creation = {"createOption": "Copy", "sourceResourceId": snapshot}

    body = await azure.put(restored, {**REGION, "properties": {"creationData": creation}})

    assert body["properties"]["diskSizeGB"] == 128
    assert azure.contents.there[restored.lower()] == snapshot.lower()


async def test_a_disk_for_upload_takes_write_access_and_is_a_disk_afterwards(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "upload")
    creation = {"createOption": "Upload", "uploadSizeBytes": 8 * 1024**3 + 512}
    body = await azure.put(disk, {**REGION, "properties": {"creationData": creation}})
    assert (body["properties"]["diskState"], body["properties"]["diskSizeGB"]) == (
        "ReadyToUpload",
        8,
    )

    read = {"access": "Read", "durationInSeconds": 60}
    assert (await azure.send("POST", f"{disk}/beginGetAccess", read)).status == 409
    write = {"access": "Write", "durationInSeconds": 60}
    await azure.done(await azure.send("POST", f"{disk}/beginGetAccess", write))
    assert (await azure.get(disk))["properties"]["diskState"] == "ActiveUpload"
    azure.exports.whole.add(disk.lower())
    await azure.done(await azure.send("POST", f"{disk}/endGetAccess"))
    assert (await azure.get(disk))["properties"]["diskState"] == "Unattached"
    await make_snapshot(azure, disk)


async def test_an_upload_that_ended_without_its_footer_is_a_disk_for_nobody(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "cut")
    creation = {"createOption": "Upload", "uploadSizeBytes": 8 * 1024**3 + 512}
    await azure.put(disk, {**REGION, "properties": {"creationData": creation}})
    write = {"access": "Write", "durationInSeconds": 60}
    await azure.done(await azure.send("POST", f"{disk}/beginGetAccess", write))
    await azure.done(await azure.send("POST", f"{disk}/endGetAccess"))

    for access in ("Read", "Write"):
        asked = {"access": access, "durationInSeconds": 60}
        refused = await azure.send("POST", f"{disk}/beginGetAccess", asked)
        assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    copy = {"creationData": {"createOption": "Copy", "sourceResourceId": disk}}
    for kind in ("Microsoft.Compute/disks", "Microsoft.Compute/snapshots"):
        refused = await azure.send("PUT", azure.id(kind, "copy"), {**REGION, "properties": copy})
        assert (refused.status, refused.code) == (409, "OperationNotAllowed")


async def test_a_disk_for_upload_is_as_long_as_was_asked_and_not_rounded(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "odd")
    creation = {"createOption": "Upload", "uploadSizeBytes": 21 * 1024**2 + 512}
    body = await azure.put(disk, {**REGION, "properties": {"creationData": creation}})

    assert body["properties"]["diskSizeBytes"] == 21 * 1024**2
    assert body["properties"]["diskSizeGB"] == 1


@pytest.mark.parametrize(
    "size", [20 * 1024**2, 64 * 1024**2, 64 * 1024**2 + 1024, 33 * 1024**4 + 512, "64"]
)
async def test_an_upload_of_another_length_than_azure_takes_is_refused(
    azure: Azure, size: object
) -> None:
    disk = azure.id("Microsoft.Compute/disks", "odd")
    creation = {"createOption": "Upload", "uploadSizeBytes": size}

    refused = await azure.send("PUT", disk, {**REGION, "properties": {"creationData": creation}})

    assert (refused.status, refused.code) == (400, "InvalidParameter")


async def test_a_disk_access_in_use_is_not_deleted(azure: Azure) -> None:
    disk_access = await make_disk_access(azure)
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": disk_access}
    await make_snapshot(azure, await make_disk(azure), **private)

    assert (await azure.send("DELETE", disk_access)).code == "OperationNotAllowed"
