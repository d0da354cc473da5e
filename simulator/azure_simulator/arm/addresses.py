"""Which addresses a subnet gives out: Azure keeps the first four and the last one for itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Cloud
from azure_simulator.resources import Resource

INTERFACE = "Microsoft.Network/networkInterfaces"
_RESERVED_BELOW = 4


def network_of(subnet: Resource) -> ipaddress.IPv4Network:
    """Return a subnet's (first) prefix."""
    properties = subnet.properties
    prefix = properties.get("addressPrefix") or properties["addressPrefixes"][0]
    return ipaddress.IPv4Network(prefix)


def configurations_in(cloud: Cloud, subnet_id: str) -> Iterator[tuple[Resource, str, str]]:
    """Yield interface, id of the IP configuration and address of all that live in a subnet."""
    for interface in cloud.resources.of_type(INTERFACE):
        for configuration in interface.properties.get("ipConfigurations", []):
            properties = configuration["properties"]
            if properties["subnet"]["id"].lower() == subnet_id.lower():
                yield interface, configuration["id"], properties["privateIPAddress"]


def allocate(cloud: Cloud, subnet: Resource, taken: set[str], wanted: str | None = None) -> str:
    """Return a free address of *subnet*, *wanted* where given; *taken* are not in it either."""
    network = network_of(subnet)
    used = taken | {address for _, _, address in configurations_in(cloud, subnet.id)}
    if wanted is not None:
        return _checked(subnet, network, used, wanted)
    for number in range(int(network[_RESERVED_BELOW]), int(network[-1])):
        address = str(ipaddress.IPv4Address(number))
        if address not in used:
            return address
    message = (
        f"Subnet {subnet.name} with address prefix {network} does not have enough capacity for 1 "
        "IP addresses."
    )
    raise ArmError(400, "SubnetIsFull", message, details=[])


def _checked(subnet: Resource, network: ipaddress.IPv4Network, used: set[str], wanted: str) -> str:
    address = ipaddress.IPv4Address(wanted)
    if address not in network:
        message = f"Private static IP address {wanted} does not belong to the range {network}."
        raise ArmError(400, "PrivateIPAddressNotInSubnet", message, details=[])
    if int(address) - int(network[0]) < _RESERVED_BELOW or address == network[-1]:
        message = f"Private static IP address {wanted} falls within reserved range of {network}."
        raise ArmError(400, "PrivateIPAddressInReservedRange", message, details=[])
    if wanted in used:
        message = f"Private static IP address {wanted} is already allocated in {subnet.id}."
        raise ArmError(400, "PrivateIPAddressIsAllocated", message, details=[])
    return wanted
