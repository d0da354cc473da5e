"""Network security groups, virtual networks and peerings."""

from __future__ import annotations

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm import address, encoded, ended, find, reading, writing
from vmbackup_operator.services.clients import Clients


class NetworkSecurityGroups:
    """Looks at network security groups and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the group with its rules, or None."""
        at = address(resource_id)
        groups = self._clients.network(at.subscription_id).network_security_groups
        return await find(reading(resource_id), groups.get(at.group, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the group to its end."""
        at = address(resource_id)
        groups = self._clients.network(at.subscription_id).network_security_groups
        call = groups.begin_create_or_update(at.group, at.name, encoded(body))
        return await ended(writing(resource_id), call)


class VirtualNetworks:
    """Looks at virtual networks and writes them, with their subnets."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the network with its subnets and peerings, or None."""
        at = address(resource_id)
        networks = self._clients.network(at.subscription_id).virtual_networks
        return await find(reading(resource_id), networks.get(at.group, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the network to its end."""
        at = address(resource_id)
        networks = self._clients.network(at.subscription_id).virtual_networks
        call = networks.begin_create_or_update(at.group, at.name, encoded(body))
        return await ended(writing(resource_id), call)


class Peerings:
    """Looks at one side of a peering and writes it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return this side of the peering, or None."""
        at = address(resource_id)
        peerings = self._clients.network(at.subscription_id).virtual_network_peerings
        return await find(reading(resource_id), peerings.get(at.group, at.parent, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write this side of the peering to its end."""
        at = address(resource_id)
        peerings = self._clients.network(at.subscription_id).virtual_network_peerings
        call = peerings.begin_create_or_update(at.group, at.parent, at.name, encoded(body))
        return await ended(writing(resource_id), call)
