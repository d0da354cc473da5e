"""Disks of workers by Azure's adapter: attached and detached by changes of the VM."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    RING,
    Adapters,
    Cloud,
    until,
)
from tests.contract.azure_services.test_azure_services_rewinds import (
    COMPUTE,
    DISKS,
    linux_disk,
    user_machine,
)
from tests.contract.ports.worker_disk_facts import WorkerDiskFacts, WorkerDiskPlace
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.naming import APPLIANCE_TAG, WORKER_TAG, ArmId, arm_id, worker_vm_name
from vmbackup_operator.services.worker_disks import AzureWorkerDisks
from vmbackup_operator.sessions.seen import WorkerWanted


async def launched(cloud: Cloud, ours: Adapters) -> ArmId:
    """Launch a worker of ours, and return its VM."""
    worker, region = WorkerId(f"{uuid.uuid4().hex[:20]}-1"), cloud.region
    kind, name = "Microsoft.Compute/virtualMachines", worker_vm_name(worker)
    vm_id = arm_id(region.subscription_id, region.resource_group, kind, name)
    own = {APPLIANCE_TAG: APPLIANCE, WORKER_TAG: worker}
    tags = {**own, **RING.ownership(APPLIANCE).sealed_tag(vm_id)}
    wanted = WorkerWanted(vm_id, worker, RunId(uuid.uuid4().hex), region, tags)

    async def runs() -> bool:
        return (await ours.workers.ensure(wanted)).state == "running"

    await until(runs)
    return vm_id


class TestAzureWorkerDisks(WorkerDiskFacts):
    @pytest.fixture
    async def place(self, cloud: Cloud, ours: Adapters) -> WorkerDiskPlace:
        users = await asyncio.to_thread(user_machine, cloud)
        profile = cloud.azure.read(users, COMPUTE)["properties"]["storageProfile"]

        async def spare() -> ArmId:
            return await asyncio.to_thread(linux_disk, cloud)

        async def holder(disk_id: ArmId) -> str:
            seen = await asyncio.to_thread(cloud.azure.read, disk_id, DISKS)
            return str(seen.get("managedBy") or "").lower()

        own = RING.ownership(APPLIANCE)
        return WorkerDiskPlace(
            disks=AzureWorkerDisks(ours.resources, ours.operations, own),
            workers=ours.workers,
            worker=await launched(cloud, ours),
            other=await launched(cloud, ours),
            users_disk=ArmId(profile["dataDisks"][0]["managedDisk"]["id"]),
            spare=spare,
            holder=holder,
            until=until,
        )
