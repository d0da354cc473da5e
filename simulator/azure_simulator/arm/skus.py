"""VM sizes that this Azure has, and the list of resource SKUs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import invalid_parameter
from azure_simulator.arm.exchange import Exchange, Route
from azure_simulator.arm.subscriptions import REGIONS
from azure_simulator.resources import Body


@dataclass(frozen=True, slots=True)
class Size:
    """One VM size."""

    name: str
    family: str
    cores: int
    memory_gb: int
    data_disks: int


SIZES = {
    size.name.lower(): size
    for size in (
        Size("Standard_B2s", "standardBSFamily", 2, 4, 4),
        Size("Standard_D2s_v3", "standardDSv3Family", 2, 8, 4),
        Size("Standard_D2s_v5", "standardDSv5Family", 2, 8, 4),
        Size("Standard_D4s_v5", "standardDSv5Family", 4, 16, 8),
        Size("Standard_D8s_v5", "standardDSv5Family", 8, 32, 16),
        Size("Standard_E2_v5", "standardEv5Family", 2, 16, 4),
        Size("Standard_E2s_v5", "standardESv5Family", 2, 16, 4),
        Size("Standard_F2s_v2", "standardFSv2Family", 2, 4, 4),
        Size("Standard_F4s_v2", "standardFSv2Family", 4, 8, 8),
        Size("Standard_F8s_v2", "standardFSv2Family", 8, 16, 16),
    )
}

_LOCATION = re.compile(r"^location eq '([^']+)'$", re.IGNORECASE)


def size_of(properties: Body) -> Size:
    """Return the size that a VM asks for, or refuse."""
    name = (properties.get("hardwareProfile") or {}).get("vmSize", "")
    size = SIZES.get(name.lower())
    if size is None:
        message = f"The value {name} provided for the VM size is not valid."
        raise invalid_parameter("vmSize", message)
    return size


async def _list(exchange: Exchange) -> Answer:
    text = exchange.query.get("$filter", "")
    match = _LOCATION.match(text)
    if text and match is None:
        raise invalid_parameter("$filter", f"The filter '{text}' is not supported.")
    regions = [match[1].lower()] if match else list(REGIONS)
    return Answer(
        200, {"value": [_sku(size, region) for size in SIZES.values() for region in regions]}
    )


def _sku(size: Size, region: str) -> Body:
    capabilities = {
        "vCPUs": size.cores,
        "MemoryGB": size.memory_gb,
        "MaxDataDiskCount": size.data_disks,
        "PremiumIO": True,
        "HyperVGenerations": "V1,V2",
        "CpuArchitectureType": "x64",
    }
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [region],
        "locationInfo": [{"location": region, "zones": ["1", "2", "3"], "zoneDetails": []}],
        "capabilities": [{"name": n, "value": str(v)} for n, v in capabilities.items()],
        "restrictions": [],
    }


ROUTES = (Route("GET", "Microsoft.Compute/skus", _list, "*"),)
