"""What Resource Manager says before any resource type is asked: who, may they, what, where."""

from __future__ import annotations

import time
from typing import Any

import pytest

from azure_simulator.identities.spreading import Spreading
from azure_simulator.identities.tokens import TokenIssuer
from tests.unit.simulator_arm.conftest import OWNER, SUBSCRIPTION, TENANT, Azure

NOBODY = "bbbbbbbb-0000-4000-8000-000000000002"
READER_ROLE = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


async def test_a_request_without_a_token_is_challenged(azure: Azure) -> None:
    reply = await azure.send("GET", azure.group, as_=None)

    assert (reply.status, reply.code) == (401, "AuthenticationFailed")
    assert TENANT in reply.headers["WWW-Authenticate"]
    assert reply.headers["x-ms-request-id"]


@pytest.mark.parametrize(
    ("tenant", "audience", "lifetime_s", "code"),
    [
        (TENANT, "https://management.azure.com", -5, "ExpiredAuthenticationToken"),
        (TENANT, "https://storage.azure.com", 60, "InvalidAuthenticationTokenAudience"),
        ("another", "https://management.azure.com", 60, "InvalidAuthenticationTokenTenant"),
        ("impostor", "https://management.azure.com", 60, "InvalidAuthenticationToken"),
    ],
)
async def test_a_bad_token_is_refused(
    azure: Azure, tenant: str, audience: str, lifetime_s: int, code: str
) -> None:
    issuer = azure.identities.issuer
    if tenant != TENANT:
        issuer = TokenIssuer(TENANT if tenant == "impostor" else tenant)
    token = issuer.issue("client", OWNER, audience, lifetime_s)

    reply = await azure.send("GET", azure.group, headers={"Authorization": f"Bearer {token}"})

    assert (reply.status, reply.code) == (401, code)


async def test_a_caller_without_a_role_is_told_action_and_scope(azure: Azure) -> None:
    reply = await azure.send("GET", azure.group, as_=NOBODY)

    assert (reply.status, reply.code) == (403, "AuthorizationFailed")
    message = reply.body["error"]["message"]
    assert "'Microsoft.Resources/subscriptions/resourceGroups/read'" in message
    assert NOBODY in message
    assert azure.group in message


async def test_a_reader_reads_and_does_not_write(azure: Azure) -> None:
    assignment = f"{azure.group}/providers/Microsoft.Authorization/roleAssignments/{NOBODY}"
    roles = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    properties = {
        "principalId": NOBODY,
        "roleDefinitionId": f"{roles}/{READER_ROLE}",
        "principalType": "ServicePrincipal",
    }
    assert (await azure.send("PUT", assignment, {"properties": properties})).status == 201

    assert (await azure.send("GET", azure.group, as_=NOBODY)).status == 200
    disk = azure.id("Microsoft.Compute/disks", "d")
    assert (await azure.send("GET", disk, as_=NOBODY)).status == 404
    assert (await azure.send("PUT", disk, {"location": "westeurope"}, as_=NOBODY)).status == 403
    assert (await azure.send("DELETE", assignment)).status == 200
    assert (await azure.send("GET", azure.group, as_=NOBODY)).status == 403


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subscriptions/nope", 404, "SubscriptionNotFound"),
        ("{group}x/providers/Microsoft.Compute/disks/d", 404, "ResourceGroupNotFound"),
        ("{group}/providers/Microsoft.Compute/disks/d", 404, "NotFound"),
        ("{group}/providers/Microsoft.Network/virtualNetworks/v", 404, "ResourceNotFound"),
        (
            "{group}/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
            404,
            "ResourceNotFound",
        ),
        ("{group}/providers/Microsoft.Compute/galleries/g", 404, "InvalidResourceType"),
        ("{group}/providers/Contoso.Things/x/y", 404, "InvalidResourceNamespace"),
    ],
)
async def test_what_is_not_there_is_refused_as_azure_does(
    azure: Azure, path: str, status: int, code: str
) -> None:
    reply = await azure.send("GET", path.format(group=azure.group))

    assert (reply.status, reply.code) == (status, code)


async def test_a_request_without_api_version_is_refused(azure: Azure) -> None:
    async with azure.session.get(
        str(azure.base)[:-1] + azure.group, headers={"Authorization": f"Bearer {azure.token()}"}
    ) as response:
        body: dict[str, Any] = await response.json()

    assert (response.status, body["error"]["code"]) == (400, "MissingApiVersionParameter")


async def test_names_are_compared_without_case(azure: Azure) -> None:
    reply = await azure.send("GET", azure.group.upper().replace("/SUBSCRIPTIONS", "/subscriptions"))

    assert reply.body["id"] == azure.group


async def test_the_journal_has_every_request_without_its_secrets(azure: Azure) -> None:
    vm = azure.id("Microsoft.Compute/virtualMachines", "vm")
    secret = {"adminPassword": "hunter2", "customData": "c2VjcmV0", "computerName": "vm"}
    await azure.send("PUT", vm, {"location": "westeurope", "properties": {"osProfile": secret}})
    run = f"{vm}/runCommands/install"
    protected = {"protectedParameters": [{"name": "SAS", "value": "hunter2"}]}
    await azure.send("PUT", run, {"location": "westeurope", "properties": protected})

    entries = azure.journal.since(0)
    assert [entry["method"] for entry in entries[-2:]] == ["PUT", "PUT"]
    assert "hunter2" not in str(entries)
    assert "c2VjcmV0" not in str(entries)
    assert entries[-1]["request"]["properties"]["protectedParameters"][0]["name"] == "SAS"
    assert entries[-1]["identity"] == OWNER


async def test_a_deleted_group_takes_everything_along(azure: Azure) -> None:
    disk = azure.id("Microsoft.Compute/disks", "d")
    account = azure.id("Microsoft.Storage/storageAccounts", "acct1")
    body = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4}
    await azure.put(disk, {"location": "westeurope", "properties": body})
    made = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    await azure.put(account, made)

    reply = await azure.send("DELETE", azure.group)
    during = await azure.send("PUT", disk, {"location": "westeurope", "properties": body})
    await azure.done(reply)

    assert (reply.status, "Azure-AsyncOperation" in reply.headers) == (202, False)
    assert (during.status, during.code) == (409, "ResourceGroupBeingDeleted")
    assert (await azure.send("GET", azure.group)).code == "ResourceGroupNotFound"
    assert azure.contents.there == {}
    assert azure.accounts.containers == {}


async def test_an_assignment_counts_late_and_its_removal_too(azure: Azure) -> None:
    now = [time.time()]
    azure.identities.spreading = Spreading(azure.resources, lambda: now[0])
    azure.identities.spreading.delay_s = 300
    assignment = f"{azure.group}/providers/Microsoft.Authorization/roleAssignments/{NOBODY}"
    roles = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    properties = {
        "principalId": NOBODY,
        "roleDefinitionId": f"{roles}/{READER_ROLE}",
        "principalType": "ServicePrincipal",
    }

    await azure.send("PUT", assignment, {"properties": properties})
    assert (await azure.send("GET", assignment)).status == 200
    assert (await azure.send("GET", azure.group, as_=NOBODY)).code == "AuthorizationFailed"
    now[0] += 301
    assert (await azure.send("GET", azure.group, as_=NOBODY)).status == 200

    await azure.send("DELETE", assignment)
    assert (await azure.send("GET", assignment)).code == "RoleAssignmentNotFound"
    assert (await azure.send("GET", azure.group, as_=NOBODY)).status == 200
    now[0] += 301
    assert (await azure.send("GET", azure.group, as_=NOBODY)).status == 403
