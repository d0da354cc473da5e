"""What the operator's role does not permit, and how that is said."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from azure.mgmt.storage import StorageManagementClient

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RIGHTS_S,
    Adapters,
    Cloud,
    adapters,
    settings_for,
    until,
)
from tests.worlds.turned_clock import TurnedClock
from tools import azure_roles
from tools.local_cloud import seed
from vmbackup_core.errors import (
    PermanentError,
    RefusedForNow,
    TransientError,
    VmbackupError,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting

#: A subscription of somebody else's, where the operator may use an account but not approve.
OTHERS = "22222222-3333-4444-8555-666666666666"
STORAGE_VERSION = "2023-05-01"
ROLES_VERSION = "2022-04-01"


def give_role_without_approval(cloud: Cloud) -> None:
    scope = f"/subscriptions/{OTHERS}"
    definition: dict[str, Any] = {"properties": azure_roles.definition("repository")}
    (permission,) = definition["properties"]["permissions"]
    permission["actions"] = [
        action for action in permission["actions"] if "ConnectionsApproval" not in action
    ]
    definition["properties"]["assignableScopes"] = [scope]
    definition["properties"]["roleName"] = "vmbackup operator, without approvals"
    kind = f"{scope}/providers/Microsoft.Authorization"
    role = f"{kind}/roleDefinitions/{uuid.uuid4()}"
    cloud.azure.arm(role, ROLES_VERSION, definition)
    cloud.azure.arm(
        f"{kind}/roleAssignments/{uuid.uuid4()}",
        ROLES_VERSION,
        {
            "properties": {
                "roleDefinitionId": role,
                "principalId": seed.OPERATOR_OBJECT_ID,
                "principalType": "ServicePrincipal",
            }
        },
    )


@pytest.fixture(scope="module")
def foreign_account(cloud: Cloud) -> ArmId:
    cloud.azure.call("PUT", f"/subscriptions/{OTHERS}")
    group = f"/subscriptions/{OTHERS}/resourceGroups/rg-archive"
    cloud.azure.arm(group, "2022-09-01", {"location": seed.HOME_REGION})
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/foreignbackups"
    body = {
        "location": seed.HOME_REGION,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {"publicNetworkAccess": "Disabled", "allowSharedKeyAccess": False},
    }
    cloud.azure.arm(account, STORAGE_VERSION, body)
    give_role_without_approval(cloud)
    return ArmId(account)


def approve_everything(cloud: Cloud, account: ArmId) -> None:
    """Let every endpoint in that waits, as the account's owner."""
    with StorageManagementClient(
        cloud.azure.credential, account.split("/")[2], **cloud.azure.transport
    ) as client:
        group, name = account.split("/")[4], account.split("/")[-1]
        for connection in client.private_endpoint_connections.list(group, name):
            client.private_endpoint_connections.put(
                group,
                name,
                str(connection.name),
                {
                    "properties": {
                        "privateLinkServiceConnectionState": {
                            "status": "Approved",
                            "description": "let in",
                        }
                    }
                },
            )


@pytest.fixture
def clock() -> TurnedClock:
    """What missing rights are held by for rights that spread."""
    return TurnedClock()


@pytest.fixture
async def impatient(cloud: Cloud, clock: TurnedClock) -> AsyncIterator[Adapters]:
    """Adapters whose patience with missing rights ends when the clock is turned."""
    async with adapters(settings_for(APPLIANCE, cloud.bundle), patient_by=clock) as made:
        yield made


async def test_an_endpoint_that_we_may_not_approve_waits_for_its_owner_by_name(
    cloud: Cloud, impatient: Adapters, foreign_account: ArmId, clock: TurnedClock
) -> None:
    async def in_the_end() -> Waiting | None:
        clock.turn(RIGHTS_S / 4)
        seen = await impatient.regions.ensure(
            cloud.home.subscription_id, seed.HOME_REGION, (foreign_account,)
        )
        assert isinstance(seen, Waiting)
        return seen if "waits for approval" in seen.message else None

    waiting = await until(in_the_end)
    assert waiting.reason == "ApprovalPending"
    assert "foreignbackups" in waiting.message

    approve_everything(cloud, foreign_account)

    assert await impatient.ready(seed.HOME_REGION, (foreign_account,)) == cloud.home


async def test_what_the_role_does_not_hold_is_refused_by_name_in_the_end(
    cloud: Cloud, impatient: Adapters, clock: TurnedClock
) -> None:
    nowhere = "33333333-3333-4444-8555-666666666666"
    cloud.azure.call("PUT", f"/subscriptions/{nowhere}")
    vm = ArmId(
        f"/subscriptions/{nowhere}/resourceGroups/rg/providers/Microsoft.Compute"
        "/virtualMachines/secret-01"
    )

    with pytest.raises(RefusedForNow, match=r"secret-01.*tried again until"):
        await impatient.virtual_machines.find(vm)

    clock.turn(RIGHTS_S)
    with pytest.raises(PermanentError, match="secret-01") as refused:
        await impatient.virtual_machines.find(vm)

    assert refused.value.reason == "NotAuthorized"


@pytest.fixture
def slow_rights(cloud: Cloud) -> Iterator[None]:
    """Role assignments take longer to count than any test."""
    cloud.azure.call("PUT", "/rights", {"afterSeconds": 3600})
    yield
    cloud.azure.call("PUT", "/rights", {"afterSeconds": 0})


@pytest.mark.usefixtures("slow_rights")
async def test_a_role_counts_some_time_after_it_was_given(cloud: Cloud, ours: Adapters) -> None:
    subscription = str(uuid.uuid4())
    cloud.azure.call("PUT", f"/subscriptions/{subscription}")
    cloud.azure.arm(
        f"/subscriptions/{subscription}/resourceGroups/rg",
        "2022-09-01",
        {"location": seed.HOME_REGION},
    )
    vm = ArmId(
        f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Compute"
        "/virtualMachines/none"
    )
    kind = f"/subscriptions/{subscription}/providers/Microsoft.Authorization"
    reader = f"{kind}/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    assignment = f"{kind}/roleAssignments/{uuid.uuid4()}"
    properties = {
        "roleDefinitionId": reader,
        "principalId": seed.OPERATOR_OBJECT_ID,
        "principalType": "ServicePrincipal",
    }

    cloud.azure.arm(assignment, ROLES_VERSION, {"properties": properties})
    with pytest.raises(VmbackupError, match="AuthorizationFailed"):
        await ours.virtual_machines.find(vm)
    cloud.azure.call("PUT", "/rights", {"afterSeconds": 0})

    assert await ours.virtual_machines.find(vm) is None


async def test_a_throttle_is_transient_and_its_time_is_obeyed(cloud: Cloud, ours: Adapters) -> None:
    body = {"code": "OperationNotAllowed", "message": "too many requests"}
    fault = cloud.azure.call(
        "POST",
        "/faults",
        {
            "match": {"service": "arm", "method": "GET", "path": "throttled-01"},
            "status": 429,
            "headers": {"Retry-After": "77"},
            "body": body,
            "times": 1,
        },
    )
    vm = ArmId(
        f"/subscriptions/{cloud.home.subscription_id}/resourceGroups/rg-backup"
        "/providers/Microsoft.Compute/virtualMachines/throttled-01"
    )

    with pytest.raises(TransientError) as throttled:
        await ours.virtual_machines.find(vm)
    cloud.azure.call("DELETE", f"/faults/{fault['id']}")
    before = cloud.azure.last_entry()
    with pytest.raises(TransientError, match="limit") as not_sent:
        await ours.virtual_machines.find(vm)

    assert throttled.value.retry_after_s == 77
    assert not_sent.value.retry_after_s is not None
    assert 0 < not_sent.value.retry_after_s <= 77
    assert [e for e in cloud.azure.journal(before) if e["service"] == "arm"] == []
