"""What sessions left, as Azure's adapter finds it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import pytest

from tests.contract.azure_services.cloud import (
    APPLIANCE,
    FRESH_S,
    RING,
    Adapters,
    Cloud,
    as_administrator,
    settings_for,
    until,
)
from tests.contract.ports.remains_facts import RemainsFacts, RemainsPlace
from tests.contract.ports.worker_facts import WorkerPlace
from tools.local_cloud import seed
from vmbackup_core.protocol.bundle import BUNDLE_LIST
from vmbackup_operator.environments.plan import BUNDLE_CONTAINER
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.services.data_plane import delete_blobs
from vmbackup_operator.services.disks import AzureDisks
from vmbackup_operator.services.remains import AzureRemains
from vmbackup_operator.services.workers import interface_body
from vmbackup_operator.sessions.seen import Account, WorkerWanted

INTERFACE_VERSION = "2024-01-01"


@pytest.fixture
def left(cloud: Cloud, ours: Adapters) -> RemainsPlace:
    async def nothing(*_given: object) -> None:
        """Be somebody who is not in these facts."""

    async def leave_interface(wanted: WorkerWanted) -> None:
        at = wanted.vm_id.replace(
            "Microsoft.Compute/virtualMachines", "Microsoft.Network/networkInterfaces"
        )
        await as_administrator(
            lambda: cloud.azure.arm(at, INTERFACE_VERSION, interface_body(wanted))
        )
        await asyncio.sleep(FRESH_S)

    async def leave_bundle(account: Account) -> str:
        """Store two bundles before ours, of which the older one may not be deleted just then."""
        container = ours.data_plane.blobs(account).get_container_client(BUNDLE_CONTAINER)
        names = [name async for name in container.list_blob_names()]
        await delete_blobs(container, names)
        folders = [uuid.uuid4().hex[:16] for _ in range(2)]
        for folder in folders:
            await container.upload_blob(f"{folder}/{BUNDLE_LIST}", folder.encode())
            await asyncio.sleep(1.1)  # Azure counts seconds
        match = {"service": "blob", "method": "DELETE", "path": "/bundle/"}
        body = "<Error><Code>AuthorizationPermissionMismatch</Code></Error>"
        fault = {"match": match, "status": 403, "headers": {}, "body": body, "times": 9}
        made = cloud.azure.call("POST", "/faults", fault)
        await until(lambda: ours.bundles.ensure(cloud.region))
        cloud.azure.call("DELETE", f"/faults/{made['id']}")
        return folders[0]

    return RemainsPlace(
        remains=AzureRemains(
            ours.resources,
            ours.data_plane,
            ours.bundles,
            (settings_for(APPLIANCE, cloud.bundle).appliance, RING.ownership(APPLIANCE)),
            _no_environments,
        ),
        machines=WorkerPlace(
            workers=ours.workers,
            commands=ours.commands,
            region=cloud.region,
            ring=RING,
            appliance=APPLIANCE,
            until=until,
            retag=nothing,
            remove=nothing,
        ),
        queues=ours.queues,
        home=cloud.home,
        disks=AzureDisks(ours.resources, ours.operations, RING.ownership(APPLIANCE)),
        group=seed.disk_id("any").split("/")[4],
        leave_interface=leave_interface,
        leave_bundle=leave_bundle,
    )


async def _no_environments() -> Sequence[RegionEnvironment]:
    return ()


class TestAzureRemains(RemainsFacts):
    pass
