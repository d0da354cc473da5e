"""The real SDKs against Resource Manager: what a backup does, from networks to exports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncCredential
from azure.mgmt.compute import ComputeManagementClient as SyncCompute
from azure.mgmt.compute.aio import ComputeManagementClient

from tests.contract.arm.backup_by_sdk import (
    ACCOUNT_NAME,
    GROUP,
    REGION,
    ZONE,
    Clients,
    connect_region,
    done,
    export_snapshot,
    launch_worker,
    look_around,
    make_region,
)
from tests.contract.arm.conftest import CLIENT, SECRET, Simulated
from tests.contract.arm.recording import findings, unknown
from tests.contract.arm.specs import Specs
from tests.unit.simulator_arm.conftest import SUBSCRIPTION, TENANT

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(simulated: Simulated) -> dict[str, Any]:
    """All of it done once; what the SDKs read at its end."""
    use = Clients(simulated)
    try:
        await make_region(use)
        await connect_region(use)
        url, _ = await asyncio.gather(export_snapshot(use), launch_worker(use))
        told: dict[str, Any] = {
            "url": url,
            "vm": await use.compute.virtual_machines.get(GROUP, "worker", expand="instanceView"),
            "command": await use.compute.virtual_machine_run_commands.get_by_virtual_machine(
                GROUP, "worker", "install", expand="instanceView"
            ),
            "snapshot": await use.compute.snapshots.get(GROUP, "snapshot"),
            "endpoint": await use.network.private_endpoints.get(GROUP, "pe-blob"),
            "networks": [n async for n in use.network.virtual_networks.list(GROUP)],
            "peering": await use.network.virtual_network_peerings.get(GROUP, "one", "peering"),
            "links": [v async for v in use.dns.virtual_network_links.list(GROUP, ZONE)],
            "records": [r async for r in use.dns.record_sets.list(GROUP, ZONE)],
            "account": await use.storage.storage_accounts.get_properties(GROUP, ACCOUNT_NAME),
            "keys": await use.storage.storage_accounts.list_keys(GROUP, ACCOUNT_NAME),
            "skus": [
                s async for s in use.compute.resource_skus.list(filter=f"location eq '{REGION}'")
            ],
            "resources": [r async for r in use.resource.resources.list_by_resource_group(GROUP)],
            "disk access": await use.compute.disk_accesses.get(GROUP, "access"),
            "links of access": await use.compute.disk_accesses.get_private_link_resources(
                GROUP, "access"
            ),
            "snapshots": [s async for s in use.compute.snapshots.list_by_resource_group(GROUP)],
        }
        told["around"] = await look_around(use)
        await asyncio.gather(
            done(use.compute.snapshots.begin_revoke_access(GROUP, "snapshot")),
            done(use.compute.virtual_machines.begin_deallocate(GROUP, "worker")),
        )
        told["view"] = await use.compute.virtual_machines.instance_view(GROUP, "worker")
        await asyncio.gather(
            done(use.compute.snapshots.begin_delete(GROUP, "snapshot")),
            done(use.compute.virtual_machines.begin_delete(GROUP, "worker")),
            done(use.network.private_endpoints.begin_delete(GROUP, "pe-disks")),
        )
        return told
    finally:
        await use.close()


async def test_a_snapshot_is_exported_over_its_disk_access(story: dict[str, Any]) -> None:
    assert story["url"].startswith("https://md-impexp-")
    assert story["snapshot"].properties.disk_state == "ActiveSAS"
    assert story["snapshot"].properties.completion_percent == 100
    assert story["snapshot"].tags == {"vmbackup-0": "sealed"}
    assert [s.name for s in story["snapshots"]] == ["snapshot"]


async def test_a_worker_runs_and_is_deallocated(story: dict[str, Any]) -> None:
    codes = [status.code for status in story["vm"].properties.instance_view.statuses]
    assert codes == ["ProvisioningState/succeeded", "PowerState/running"]
    assert story["view"].statuses[1].code == "PowerState/deallocated"
    assert story["command"].properties.instance_view.execution_state == "Succeeded"
    assert story["command"].properties.protected_parameters is None


async def test_the_region_is_connected(story: dict[str, Any]) -> None:
    assert story["peering"].properties.peering_state == "Connected"
    assert [network.name for network in story["networks"]] == ["one", "two"]
    configs = story["endpoint"].properties.custom_dns_configs
    assert configs[0].fqdn == "sdkaccount1.blob.core.windows.net"
    assert {"sdkaccount1", "byhand"} < {record.name for record in story["records"]}
    assert len(story["links"]) == 1
    assert len(story["account"].properties.private_endpoint_connections) == 1
    assert len(story["disk access"].properties.private_endpoint_connections) == 1
    assert story["links of access"].value[0].properties.group_id == "disks"
    assert len(story["keys"]["keys"]) == 2
    assert any(sku.name == "Standard_F2s_v2" for sku in story["skus"])
    assert "Microsoft.Compute/virtualMachines" in {r.type for r in story["resources"]}


async def test_the_smaller_calls_say_what_is_there(story: dict[str, Any]) -> None:
    around = story["around"]
    assert around["account"].tags == {"a": "c"}
    assert [c.name for c in around["containers"]] == ["backups"]
    assert around["container"].etag
    assert around["name"].name_available is False
    assert "[stdout]\ndone" in around["ran"].value[0].message
    assert [s.name for s in around["subnets"]] == ["endpoints", "workers"]
    assert around["upload"].properties.disk_state == "ReadyToUpload"
    assert around["record"].properties.a_records[0].ipv4_address == "10.9.9.9"
    assert around["exists"] is False
    assert [c.name for c in around["commands"]] == ["install"]


async def test_every_request_and_answer_is_as_microsofts_files_say(
    story: dict[str, Any], simulated: Simulated, specs: Specs
) -> None:
    exchanges = simulated.recorder.exchanges
    assert story
    assert len(exchanges) > 60

    assert not list(findings(specs, exchanges))
    polls = ("perations/", "perationStatuses/", "perationResults/", "perationresults/")
    assert {u for u in unknown(specs, exchanges) if not any(p in u for p in polls)} == set()


async def test_the_synchronous_sdk_polls_to_the_end(simulated: Simulated) -> None:
    def work() -> str:
        with (
            ClientSecretCredential(TENANT, CLIENT, SECRET, **simulated.options) as credential,
            SyncCompute(
                credential, SUBSCRIPTION, polling_interval=1, **simulated.options
            ) as compute,
        ):
            group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
            assert simulated.resources.find(group) is not None
            body: Any = {
                "location": REGION,
                "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
            }
            disk = compute.disks.begin_create_or_update(GROUP, "by-sync", body).result()
            return str(disk["properties"]["provisioningState"])

    assert await asyncio.to_thread(work) == "Succeeded"


@pytest.mark.parametrize(
    ("client", "secret", "tenant", "number"),
    [
        (CLIENT, "wrong", TENANT, "AADSTS7000215"),
        ("dddddddd-1111-4111-8111-111111111111", SECRET, TENANT, "AADSTS700016"),
        (CLIENT, SECRET, "dddddddd-2222-4111-8111-111111111111", "AADSTS90002"),
    ],
    ids=["wrong secret", "unknown client", "unknown tenant"],
)
async def test_entra_refuses_strangers(
    simulated: Simulated, client: str, secret: str, tenant: str, number: str
) -> None:
    async with AsyncCredential(tenant, client, secret, **simulated.options) as credential:
        with pytest.raises(ClientAuthenticationError, match=number):
            await credential.get_token("https://management.azure.com/.default")


async def test_the_sdk_sees_a_refusal_as_azures(simulated: Simulated) -> None:
    stranger = "eeeeeeee-1111-4111-8111-111111111111"
    simulated.identities.add(stranger, "ffffffff-1111-4111-8111-111111111111", "s")
    credential = AsyncCredential(TENANT, stranger, "s", **simulated.options)
    async with (
        credential,
        ComputeManagementClient(credential, SUBSCRIPTION, **simulated.options) as compute,
    ):
        with pytest.raises(HttpResponseError) as refused:
            await compute.snapshots.get(GROUP, "snapshot")

    assert refused.value.error is not None
    assert (refused.value.status_code, refused.value.error.code) == (403, "AuthorizationFailed")
