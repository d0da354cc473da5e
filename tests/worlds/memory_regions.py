"""Region environments in memory, with their disk accesses and the bundle in their accounts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from typing_extensions import override

from tests.worlds.memory_azure import (
    APPLIANCE,
    LOOKS,
    SUBSCRIPTION,
    Azure,
    Refused,
    account,
    recased,
)
from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import (
    ArmId,
    arm_id,
    environment_names,
    name_of,
    subscription_of,
)
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.shared_reads import group, group_of
from vmbackup_operator.sessions import ports, region_ports, seen


class MemoryRegions(region_ports.Regions):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.ways: set[tuple[str, str]] = set()

    @override
    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> seen.Region | Waiting:
        if subscription_id != SUBSCRIPTION:
            raise Refused(f"subscription {subscription_id}")
        for each in repository_accounts:
            if folded(each) in self.azure.missing_accounts:
                message = f"storage account {name_of(each)} does not exist"
                raise PermanentError(message, reason="StorageAccountNotFound")
        self.ways |= {(region, each.lower()) for each in repository_accounts}
        if region not in self.azure.regions:
            self.azure.write(f"region {region}", lambda: self.azure.regions.update({region: 0}))
        self.azure.regions[region] += 1
        if self.azure.regions[region] <= LOOKS:
            return Waiting(2, f"{region} is being made")
        return ready_region(self.azure, region, subscription_id)

    @override
    async def exports_refused(self, region: str) -> str:
        return self.azure.exports_refused

    @override
    async def worker_size(self, region: str) -> str:
        return self.azure.worker_size


def ready_region(azure: Azure, region: str, subscription_id: str = SUBSCRIPTION) -> seen.Region:
    """Return the region as it is once it is ready."""
    names = environment_names(APPLIANCE, subscription_id, region)
    network = arm_id(
        subscription_id,
        names.resource_group,
        "Microsoft.Network/virtualNetworks",
        names.virtual_network,
    )
    return seen.Region(
        name=region,
        subscription_id=subscription_id,
        region=region,
        resource_group=names.resource_group,
        virtual_network_id=network,
        worker_subnet_id=ArmId(f"{network}/subnets/workers"),
        endpoint_subnet_id=ArmId(f"{network}/subnets/endpoints"),
        blob_zone_id=ArmId(f"{network}/zone"),
        account=account(region),
        worker_size=azure.worker_size,
        worker_image="a:b:c:d",
        max_workers=azure.max_workers,
        private=azure.private,
    )


class MemoryBundles(ports.Bundles):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def ensure(self, region: seen.Region) -> seen.BundleStored | None:
        if region.account.id not in self.azure.bundles:
            self.azure.write(
                f"bundle {region.account.id}",
                lambda: self.azure.bundles.update({region.account.id: 0}),
            )
        self.azure.bundles[region.account.id] += 1
        if self.azure.bundles[region.account.id] <= LOOKS:
            return None
        return seen.BundleStored("bundle", "0123456789abcdef", "f" * 64)


class MemoryDiskAccesses(region_ports.DiskAccesses):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def of_region(self, region: seen.Region) -> Sequence[seen.DiskAccessSeen]:
        names = environment_names(APPLIANCE, region.subscription_id, region.region)
        where = group(region.subscription_id, names.resource_group)
        ours = [
            access
            for access in map(ArmId, self.azure.disk_accesses)
            if group_of(access) == where and names.is_disk_access(name_of(access))
        ]
        return [
            seen.DiskAccessSeen(recased(access), ready=self.azure.disk_accesses[access] > LOOKS)
            for access in sorted(ours, key=name_of)
        ]

    @override
    async def ensure(self, region: seen.Region, access: ArmId) -> seen.DiskAccessSeen:
        key, where = folded(access), subscription_of(access)
        if where in self.azure.forbidden:
            message = f"asking for disk access {name_of(access)}: not authorized"
            raise PermanentError(message, reason="NotAuthorized")
        if key not in self.azure.disk_accesses:
            self.azure.write(
                f"disk access {access}", lambda: self.azure.disk_accesses.update({key: 0})
            )
        self.azure.disk_accesses[key] += 1
        if self.azure.disk_accesses[key] > LOOKS:
            return seen.DiskAccessSeen(access, ready=True)
        waiting = Waiting(2, f"{name_of(access)} is not there yet")
        return seen.DiskAccessSeen(access, ready=False, waiting=waiting)
