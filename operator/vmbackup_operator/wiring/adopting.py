"""Adoption put together, for the command line: the key ring from the cluster, Azure by its SDKs."""

from __future__ import annotations

from vmbackup_core.clock import SystemClock
from vmbackup_operator.cluster.connection import connected
from vmbackup_operator.environments.adoption import adopt
from vmbackup_operator.environments.seals import RegionSeals
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.resource_manager import AzureResourceManager
from vmbackup_operator.settings import Settings
from vmbackup_operator.wiring.running import azure_adapters
from vmbackup_operator.wiring.starting import key_ring


async def adopt_account(settings: Settings, account_id: ArmId) -> str:
    """Seal the account's tag with the appliance's key ring; return the account's region."""
    async with connected() as connection:
        ring = await key_ring(settings, connection)
    seals = RegionSeals(settings.appliance, ring.keys, settings.snapshot_groups)
    async with azure_adapters(SystemClock(), seals) as azure:
        manager = AzureResourceManager(azure.resources, azure.operations)
        return await adopt(manager, ring.ownership(settings.appliance.id), account_id)
