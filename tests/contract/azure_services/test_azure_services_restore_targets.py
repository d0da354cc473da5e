"""What Azure's adapters see where a restore goes to, and the VM that they make there."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.contract.azure_services.cloud import Adapters, Cloud, as_administrator, until
from tests.contract.ports.target_facts import (
    RUN,
    MachinePartFacts,
    PartPlace,
    RestoreTargetFacts,
    TargetPlace,
)
from tools.local_cloud.administrator import SUBSCRIPTION
from vmbackup_core.errors import VmbackupError
from vmbackup_operator.naming import ArmId, name_of

DISKS, NETWORK, IDENTITIES = "2024-03-02", "2024-05-01", "2023-01-31"
SIZE = "Standard_F2s_v2"


def group_of(cloud: Cloud) -> ArmId:
    return ArmId(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{cloud.region.resource_group}")


def references_of(cloud: Cloud) -> tuple[ArmId, ArmId]:
    """Return an encryption set and an identity that somebody has in the region."""
    keys = ArmId(f"{group_of(cloud)}/providers/Microsoft.Compute/diskEncryptionSets/keys")
    key = {"keyUrl": "https://vault.vault.azure.net/keys/key/0123"}
    there = {"location": cloud.region.region}
    cloud.azure.arm(keys, DISKS, {**there, "properties": {"activeKey": key}})
    web = ArmId(f"{group_of(cloud)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web")
    cloud.azure.arm(web, IDENTITIES, there)
    return keys, web


class TestAzureRestoreTargets(RestoreTargetFacts):
    @pytest.fixture
    def place(self, cloud: Cloud, ours: Adapters) -> TargetPlace:
        region = cloud.region
        references = references_of(cloud)
        return TargetPlace(
            ours.targets,
            SUBSCRIPTION,
            region.region,
            group_of(cloud),
            region.virtual_network_id,
            name_of(region.worker_subnet_id),
            SIZE,
            references,
        )


@pytest.fixture
def place(cloud: Cloud, ours: Adapters) -> PartPlace:
    region, group = cloud.region, group_of(cloud)
    configuration = {
        "name": "first",
        "properties": {"subnet": {"id": region.worker_subnet_id}, "primary": True},
    }
    interface: dict[str, object] = {
        "location": region.region,
        "tags": {"team": "web"},
        "properties": {"ipConfigurations": [configuration]},
    }

    async def machine_body(nic: ArmId) -> dict[str, object]:
        disk = f"{group}/providers/Microsoft.Compute/disks/disk-{uuid.uuid4().hex[:8]}"
        made = {
            "location": region.region,
            "properties": {
                "creationData": {"createOption": "Empty"},
                "diskSizeGB": 4,
                "osType": "Linux",
            },
        }
        await as_administrator(lambda: cloud.azure.arm(disk, DISKS, made))
        attached = {"createOption": "Attach", "managedDisk": {"id": disk}, "deleteOption": "Delete"}
        return {
            "location": region.region,
            "properties": {
                "hardwareProfile": {"vmSize": SIZE},
                "storageProfile": {"osDisk": attached},
                "networkProfile": {"networkInterfaces": [{"id": nic}]},
            },
        }

    async def made_by_others(part_id: ArmId) -> None:
        await as_administrator(lambda: cloud.azure.arm(part_id, NETWORK, interface))

    return PartPlace(ours.machine_parts, group, until, interface, machine_body, made_by_others)


class TestAzureMachineParts(MachinePartFacts):
    pass


async def test_tags_of_the_recorded_vm_stay_beside_ours(cloud: Cloud, place: PartPlace) -> None:
    interface = place.interface()
    await until(lambda: place.parts.request(interface))
    body = await asyncio.to_thread(cloud.azure.read, interface.id, NETWORK)
    await until(lambda: place.parts.delete(interface.id, RUN))

    assert {"team", "vmbackup-owner", "vmbackup-run-id"} <= body["tags"].keys()


async def test_azures_refusal_for_want_of_room_is_said(cloud: Cloud, place: PartPlace) -> None:
    interface = place.interface()
    await until(lambda: place.parts.request(interface))
    machine = await place.machine(interface)
    quota = {
        "subscriptionId": SUBSCRIPTION,
        "region": cloud.region.region,
        "name": "cores",
        "limit": 0,
    }
    cloud.azure.call("PUT", "/quotas", quota)
    try:
        with pytest.raises(VmbackupError, match="exceeding approved cores quota"):
            await until(lambda: place.parts.request(machine))
    finally:
        cloud.azure.call("PUT", "/quotas", {**quota, "limit": 350})
    assert await place.parts.find(machine.id) is None
    await until(lambda: place.parts.delete(interface.id, RUN))
