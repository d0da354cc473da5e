"""How much of cores, VMs and disks a subscription uses in a region, and how much it may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError, not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.skus import SIZES, Size
from azure_simulator.arm.subscriptions import REGIONS
from azure_simulator.resources import Body, Resource, Resources

_MACHINE = "Microsoft.Compute/virtualMachines"
_DISK = "Microsoft.Compute/disks"
#: Where a subscription's limits are kept that somebody has set, by region and name.
_KEPT = "quotas"

_CORES, _SPOT_CORES, _MACHINES = "cores", "lowPriorityCores", "virtualMachines"
#: What an Azure subscription may have before anybody asks for more.
_LIMITS = {_CORES: 350, _SPOT_CORES: 350, _MACHINES: 25_000}
_LIMIT_OF_FAMILIES = 350
_LIMIT_OF_DISKS = 50_000
_WORDS = {
    _CORES: "Total Regional vCPUs",
    _SPOT_CORES: "Total Regional Spot vCPUs",
    _MACHINES: "Virtual Machines",
}
_DISKS = {
    "standard_lrs": "StandardDiskCount",
    "standardssd_lrs": "StandardSSDDiskCount",
    "standardssd_zrs": "StandardSSDZRSDiskCount",
    "premium_lrs": "PremiumDiskCount",
    "premium_zrs": "PremiumZRSDiskCount",
    "premiumv2_lrs": "PremiumV2DiskCount",
    "ultrassd_lrs": "UltraSSDDiskCount",
}


def set_limit(resources: Resources, subscription_id: str, region: str, name: str, to: int) -> None:
    """Have the subscription's limit of *name* in the region be *to*."""
    if region not in REGIONS or name not in _names():
        raise LookupError(f"there is no quota {name} in {region}")
    subscription = resources.find(f"/subscriptions/{subscription_id}")
    if subscription is None:
        raise KeyError(subscription_id)
    subscription.hidden.setdefault(_KEPT, {}).setdefault(region, {})[name] = to


def check_quota(exchange: Exchange, properties: Body, size: Size) -> None:
    """Refuse a new VM for which the region has no room."""
    region = str(exchange.body.get("location") or "").replace(" ", "").lower()
    used = _used(exchange.cloud, exchange.target.subscription, region)
    for name in _counts_on(properties, size):
        limit = _limit(exchange.cloud.resources, exchange.target.subscription, region, name)
        more = 1 if name == _MACHINES else size.cores
        if used[name] + more > limit:
            raise not_allowed(
                f"Operation could not be completed as it results in exceeding approved {name} "
                f"quota. Additional details - Deployment Model: Resource Manager, Location: "
                f"{region}, Current Limit: {limit}, Current Usage: {used[name]}, Additional "
                f"Required: {more}, (Minimum) New Limit Required: {used[name] + more}."
            )


async def _list(exchange: Exchange) -> Answer:
    region = exchange.target.names[0].lower()
    if region not in REGIONS:
        message = f"The location '{region}' is invalid."
        raise ArmError(400, "InvalidParameter", message, target="location")
    subscription = exchange.target.subscription
    used = _used(exchange.cloud, subscription, region)
    return Answer(
        200,
        {
            "value": [
                {
                    "unit": "Count",
                    "currentValue": used[name],
                    "limit": _limit(exchange.cloud.resources, subscription, region, name),
                    "name": {"value": name, "localizedValue": _WORDS.get(name, name)},
                }
                for name in _names()
            ]
        },
    )


def _names() -> tuple[str, ...]:
    families = sorted({size.family for size in SIZES.values()})
    return (*_LIMITS, *families, *_DISKS.values())


def _limit(resources: Resources, subscription_id: str, region: str, name: str) -> int:
    subscription = resources.find(f"/subscriptions/{subscription_id}")
    kept = {} if subscription is None else subscription.hidden.get(_KEPT, {}).get(region, {})
    usual = _LIMIT_OF_DISKS if name in _DISKS.values() else _LIMIT_OF_FAMILIES
    limit: int = kept.get(name, _LIMITS.get(name, usual))
    return limit


def _used(cloud: Cloud, subscription_id: str, region: str) -> Counter[str]:
    """Return what is used: a VM's cores count until it is deallocated."""
    used: Counter[str] = Counter()
    below = cloud.resources.under(f"/subscriptions/{subscription_id}")
    there = [resource for resource in below if resource.body.get("location") == region]
    for machine in (each for each in there if each.type == _MACHINE.lower()):
        for name in _used_by(machine):
            used[name] += 1 if name == _MACHINES else _size(machine).cores
    for disk in (each for each in there if each.type == _DISK.lower()):
        sku = str((disk.body.get("sku") or {}).get("name", "")).lower()
        used[_DISKS.get(sku, "")] += 1
    return used


def _used_by(machine: Resource) -> Iterator[str]:
    if machine.hidden.get("power") == "deallocated":
        yield _MACHINES
    else:
        yield from _counts_on(machine.properties, _size(machine))


def _counts_on(properties: Body, size: Size) -> tuple[str, ...]:
    if str(properties.get("priority") or "").lower() in {"spot", "low"}:
        return (_MACHINES, _SPOT_CORES)
    return (_MACHINES, _CORES, size.family)


def _size(machine: Resource) -> Size:
    return SIZES[machine.properties["hardwareProfile"]["vmSize"].lower()]


ROUTES = (Route("GET", "Microsoft.Compute/locations/usages", _list, "*"),)
