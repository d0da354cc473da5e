"""Disk accesses in another subscription, as Azure lets them be made, approved and used."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.models import (
    PrivateEndpointConnection,
    PrivateEndpointConnectionProperties,
    PrivateLinkServiceConnectionState,
)
from msgspec.structs import replace

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RIGHTS_S,
    Adapters,
    Cloud,
    adapters,
    as_administrator,
    settings_for,
    until,
    writes,
)
from tests.worlds.turned_clock import TurnedClock
from tools import azure_roles
from tools.local_cloud import seed
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.access_places import access_place
from vmbackup_operator.settings import OtherSubscription, Settings

#: Subscriptions in which the operator has its role whole, and without the right to approve.
WHOLE = "44444444-5555-4666-8777-888888888888"
LACKING = "55555555-6666-4777-8888-999999999999"
ROLES_VERSION = "2022-04-01"


def group_of(subscription: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/rg-exports"


def give_role(cloud: Cloud, subscription: str, without: str) -> None:
    """Make the appliance's group there, and give it the exports role but for one action."""
    cloud.azure.call("PUT", f"/subscriptions/{subscription}")
    cloud.azure.arm(group_of(subscription), "2022-09-01", {"location": seed.HOME_REGION})
    definition: dict[str, Any] = {"properties": azure_roles.definition("exports")}
    (permission,) = definition["properties"]["permissions"]
    permission["actions"] = [each for each in permission["actions"] if each != without]
    definition["properties"]["assignableScopes"] = [f"/subscriptions/{subscription}"]
    definition["properties"]["roleName"] = f"vmbackup exports in {subscription[:8]}"
    kind = f"/subscriptions/{subscription}/providers/Microsoft.Authorization"
    role = f"{kind}/roleDefinitions/{uuid.uuid4()}"
    cloud.azure.arm(role, ROLES_VERSION, definition)
    properties = {
        "roleDefinitionId": role,
        "principalId": seed.OPERATOR_OBJECT_ID,
        "principalType": "ServicePrincipal",
    }
    at = f"{group_of(subscription)}/providers/Microsoft.Authorization/roleAssignments"
    cloud.azure.arm(f"{at}/{uuid.uuid4()}", ROLES_VERSION, {"properties": properties})


def across(cloud: Cloud) -> Settings:
    others = tuple(OtherSubscription(each, "rg-exports") for each in (WHOLE, LACKING))
    return replace(settings_for(APPLIANCE, cloud.bundle), other_subscriptions=others)


@pytest.fixture
def clock() -> TurnedClock:
    """What missing rights are held by for rights that spread."""
    return TurnedClock()


@pytest.fixture
async def abroad(cloud: Cloud, clock: TurnedClock) -> AsyncIterator[Adapters]:
    """Adapters of an appliance that has places in two other subscriptions."""
    async with adapters(across(cloud), patient_by=clock) as made:
        yield made


def access_in(cloud: Cloud, subscription: str) -> ArmId:
    return access_place(across(cloud), cloud.region, subscription).access(0)


async def stands(ours: Adapters, cloud: Cloud, access: ArmId) -> None:
    """Return once the disk access stands, with its way in."""

    async def standing() -> bool:
        return (await ours.disk_accesses.ensure(cloud.region, access)).ready

    await until(standing)


def approve(cloud: Cloud, access: ArmId) -> None:
    """Let every endpoint in that waits, as the disk access's owner."""
    parts = access.split("/")
    with ComputeManagementClient(
        cloud.azure.credential, parts[2], polling_interval=0.1, **cloud.azure.transport
    ) as client:
        where = (parts[4], parts[8])
        for connection in client.disk_accesses.list_private_endpoint_connections(*where):
            state = PrivateLinkServiceConnectionState(status="Approved", description="let in")
            properties = PrivateEndpointConnectionProperties(
                private_link_service_connection_state=state
            )
            body = PrivateEndpointConnection(properties=properties)
            client.disk_accesses.begin_update_a_private_endpoint_connection(
                *where, str(connection.name), body
            ).result()


async def test_one_stands_with_its_way_in_for_a_region_of_the_appliances(
    cloud: Cloud, abroad: Adapters
) -> None:
    await asyncio.to_thread(give_role, cloud, WHOLE, "")
    access = access_in(cloud, WHOLE)

    await stands(abroad, cloud, access)
    since = cloud.azure.last_entry()
    body = cloud.azure.read(access, "2023-10-02")
    (connection,) = body["properties"]["privateEndpointConnections"]
    endpoint = connection["properties"]["privateEndpoint"]["id"]
    assert endpoint.lower().startswith(group_of(WHOLE).lower())
    async with adapters(across(cloud)) as looking_anew:
        await stands(looking_anew, cloud, access)
    assert writes(cloud.azure.journal(since)) == []


async def test_one_that_we_may_not_approve_waits_for_its_owner_by_name(
    cloud: Cloud, abroad: Adapters, clock: TurnedClock
) -> None:
    right = "Microsoft.Compute/diskAccesses/PrivateEndpointConnectionsApproval/action"
    await asyncio.to_thread(give_role, cloud, LACKING, right)
    access = access_in(cloud, LACKING)

    async def in_the_end() -> Waiting | None:
        clock.turn(RIGHTS_S / 4)
        waiting = (await abroad.disk_accesses.ensure(cloud.region, access)).waiting
        assert waiting is not None
        return (
            waiting if waiting.reason == "ApprovalPending" and access in waiting.message else None
        )

    await until(in_the_end)
    await as_administrator(lambda: approve(cloud, access))
    await stands(abroad, cloud, access)
