"""The operator's Azure adapters against the simulated Azure, as one appliance has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.worlds.memory_objects import MemoryEnvironments
from tests.worlds.turned_clock import TurnedClock
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from vmbackup_core.clock import Clock, SystemClock
from vmbackup_operator.environments.regions import Environments, Owner
from vmbackup_operator.environments.seals import RegionSeals
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.bundles import AzureBundles
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.commands import AzureCommands
from vmbackup_operator.services.credentials import asynchronous_credential
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.disk_accesses import AzureDiskAccesses
from vmbackup_operator.services.following import PollingPace
from vmbackup_operator.services.machine_parts import AzureMachineParts
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.queues import AzureQueues
from vmbackup_operator.services.refusals import Patience, Refusals
from vmbackup_operator.services.regions import AzureRegions
from vmbackup_operator.services.resource_manager import AzureResourceManager
from vmbackup_operator.services.restore_targets import AzureRestoreTargets
from vmbackup_operator.services.shared_reads import SharedReads
from vmbackup_operator.services.signatures import AzureSignatures
from vmbackup_operator.services.snapshots import AzureSnapshots, SnapshotOwner
from vmbackup_operator.services.virtual_machines import AzureVirtualMachines
from vmbackup_operator.services.workers import AzureWorkers
from vmbackup_operator.sessions.keys import KeyRing, read_key_ring
from vmbackup_operator.sessions.seen import Region
from vmbackup_operator.settings import Settings

APPLIANCE = "contract"
KEYS = {"2024": b"o" * 32, "2026": b"k" * 32, "active": b"2026"}
RING = read_key_ring(KEYS, "the appliance's key ring")
#: Longer than anything takes at the speed of the tests.
PATIENCE_S = 120.0
#: For how long a missing right is held for one that spreads.
RIGHTS_S = 60.0
#: For how long looks are shared: the simulated Azure is faster than Azure by as much.
FRESH_S = 0.2
#: How operations on snapshots and VMs are followed without Retry-After, for the same reason.
PACE = PollingPace(first_s=0.05, later_s=0.1)


@dataclass
class Adapters:
    """Everything that sessions use of Azure."""

    regions: AzureRegions
    environments: Environments
    virtual_machines: AzureVirtualMachines
    snapshots: AzureSnapshots
    disk_accesses: AzureDiskAccesses
    workers: AzureWorkers
    commands: AzureCommands
    signatures: AzureSignatures
    queues: AzureQueues
    data_plane: DataPlane
    bundles: AzureBundles
    targets: AzureRestoreTargets
    machine_parts: AzureMachineParts
    manager: AzureResourceManager
    resources: ArmResources
    operations: Operations

    async def ready(
        self, region: str, accounts: Collection[str] = (), subscription: str = SUBSCRIPTION
    ) -> Region:
        """Ask for the region until it is ready."""
        wanted = [ArmId(account) for account in accounts]
        async with asyncio.timeout(PATIENCE_S):
            while True:
                seen = await self.regions.ensure(subscription, region, wanted)
                if not isinstance(seen, Waiting):
                    return seen
                await asyncio.sleep(min(seen.seconds, 1))


async def as_administrator(act: Callable[[], None]) -> None:
    """Do what somebody else does in Azure, and let the looks that are shared run out."""
    await asyncio.to_thread(act)
    await asyncio.sleep(1.5 * FRESH_S)


async def until(ask: Any) -> Any:
    """Ask until the answer is neither None nor False, as a step does."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await ask()
            if answer:
                return answer
            await asyncio.sleep(0.2)


def settings_for(appliance_id: str, bundle: Path) -> Settings:
    """Return the settings of the appliance in the seeded network."""
    return msgspec.convert(
        {
            "namespace": "vmbackup",
            "appliance": {
                "id": appliance_id,
                "tenantId": SUBSCRIPTION,
                "subscriptionId": SUBSCRIPTION,
                "region": seed.HOME_REGION,
                "resourceGroup": "rg-backup",
                "virtualNetworkId": seed.APPLIANCE_NETWORK_ID,
                "keyRing": {"secretRef": {"namespace": "vmbackup", "name": "keys"}},
            },
            "workers": {"bundle": str(bundle)},
        },
        Settings,
    )


@asynccontextmanager
async def adapters(
    settings: Settings,
    ring: KeyRing = RING,
    patient_by: Clock | None = None,
    fresh_s: float = FRESH_S,
) -> AsyncIterator[Adapters]:
    """Yield the adapters, wired as the operator has them, with the environment's identity.

    By the clock *patient_by*, a missing right is held for one that spreads for `RIGHTS_S`. Looks
    are shared for *fresh_s*.
    """
    clock, operations = SystemClock(), Operations()
    refusals = Refusals(patient_by or clock, {"NotAuthorized": Patience(RIGHTS_S, 0.2)})
    clients = Clients(asynchronous_credential(), clock, refusals=refusals)
    seals = RegionSeals(settings.appliance, ring.keys)
    reads = SharedReads(clock, fresh_s)
    resources = ArmResources(clients, reads, seals, PACE)
    # How far one look at a region gets is of the suite's facts: a region is built at Azure's pace.
    manager = AzureResourceManager(ArmResources(clients, reads, seals), operations)
    owner = Owner(settings, ring.ownership(settings.appliance.id), seals)
    objects = MemoryEnvironments(TurnedClock(), settings.namespace)
    environments = Environments(owner, manager, objects, clock, lambda _: None)
    data_plane = DataPlane(clients)
    signatures = AzureSignatures(data_plane, clock)
    appliance = settings.appliance.id
    try:
        yield Adapters(
            regions=AzureRegions(environments),
            environments=environments,
            virtual_machines=AzureVirtualMachines(resources),
            snapshots=AzureSnapshots(resources, operations, SnapshotOwner(appliance, ring)),
            disk_accesses=AzureDiskAccesses(resources, environments, appliance),
            workers=AzureWorkers(resources, operations, owner.ownership),
            commands=AzureCommands(resources, operations, owner.ownership),
            signatures=signatures,
            queues=AzureQueues(data_plane, signatures),
            data_plane=data_plane,
            manager=manager,
            targets=AzureRestoreTargets(resources, owner.ownership),
            machine_parts=AzureMachineParts(resources, operations, owner.ownership),
            resources=resources,
            operations=operations,
            bundles=AzureBundles(
                data_plane, signatures, operations, clock, settings.workers.bundle_path
            ),
        )
    finally:
        await operations.close()
        await data_plane.close()
        await clients.close()


def writes(entries: list[dict[str, Any]]) -> list[str]:
    """Return what the journal holds of requests to Resource Manager that were no looks."""
    return [
        f"{entry['method']} {entry['path']}"
        for entry in entries
        if entry["service"] == "arm" and entry["method"] != "GET"
    ]


@dataclass(frozen=True)
class Cloud:
    """The running simulator with its administrator, and the regions that all tests share."""

    azure: Administrator
    ready: dict[str, Any]
    bundle: Path
    home: Region
    region: Region
    built: list[dict[str, Any]]
