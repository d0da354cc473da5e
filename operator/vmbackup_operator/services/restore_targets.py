"""What there is where a restore goes to: resources, quotas and sizes; read, never written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from azure.mgmt.compute.models import ResourceSku
from azure.mgmt.compute.models import Usage as AzureUsage
from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.environments.bodies import Body, bodies_at, body_at, text_at
from vmbackup_operator.naming import RUN_TAG, ArmId
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.resource_kinds import ResourceKind
from vmbackup_operator.sessions.target_ports import ResourceSeen, RestoreTargets, SizeSeen, Usage

_KINDS: Final[Mapping[str, ResourceKind]] = {
    "resourcegroups": "ResourceGroup",
    "disks": "Disk",
    "virtualmachines": "VirtualMachine",
    "networkinterfaces": "NetworkInterface",
    "virtualnetworks": "VirtualNetwork",
    "networksecuritygroups": "NetworkSecurityGroup",
    "diskencryptionsets": "DiskEncryptionSet",
    "userassignedidentities": "UserAssignedIdentity",
}


class AzureRestoreTargets(RestoreTargets):
    """Azure, as a restore looks at it before it makes anything."""

    def __init__(self, resources: ArmResources, ownership: Ownership) -> None:
        self._resources = resources
        self._ownership = ownership

    @override
    async def find(self, resource_id: ArmId) -> ResourceSeen | None:
        kind = _KINDS[folded(resource_id).split("/")[-2]]
        body = await self._resources.find(kind, resource_id)
        return None if body is None else resource_seen(body, self._ownership)

    @override
    async def usages(self, subscription_id: str, region: str) -> Sequence[Usage]:
        compute = self._resources.clients.compute(subscription_id)
        with self._resources.clients.translated(f"reading the quotas of {region}"):
            return [_usage(each) async for each in compute.usage.list(region)]

    @override
    async def find_size(self, subscription_id: str, region: str, name: str) -> SizeSeen | None:
        compute = self._resources.clients.compute(subscription_id)
        listed = compute.resource_skus.list(filter=f"location eq '{region}'")
        with self._resources.clients.translated(f"reading the VM sizes of {region}"):
            async for each in listed:
                if each.resource_type == "virtualMachines" and folded(each.name or "") == folded(
                    name
                ):
                    return _size(each)
        return None


def resource_seen(body: Body, ownership: Ownership) -> ResourceSeen:
    """Return the resource that Azure's *body* describes."""
    identity, tags = ArmId(text_at(body, "id")), body_at(body, "tags")
    run = tag_value(tags, RUN_TAG) if ownership.owns(identity, tags) else None
    subnets = (folded(text_at(each, "name")) for each in bodies_at(body, "properties", "subnets"))
    return ResourceSeen(
        id=identity,
        region=folded(text_at(body, "location").replace(" ", "")),
        run_id=None if run is None else RunId(run),
        subnets=frozenset(subnets),
    )


def _usage(usage: AzureUsage) -> Usage:
    name = usage.name.value or ""
    words = usage.name.localized_value or name
    return Usage(name, words, usage.current_value, usage.limit)


def _size(sku: ResourceSku) -> SizeSeen | None:
    """Return the size; None where the subscription cannot have it."""
    restricted = {each.type for each in sku.restrictions or () if each.type}
    if any(folded(str(each)).endswith("location") for each in restricted):
        return None
    said = {each.name: each.value for each in sku.capabilities or ()}
    cores = said.get("vCPUsAvailable") or said.get("vCPUs") or "0"
    disks = said.get("MaxDataDiskCount")
    return SizeSeen(
        sku.name or "", sku.family or "", int(cores), None if disks is None else int(disks)
    )
