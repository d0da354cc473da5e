"""Private DNS zones and their links to networks."""

from __future__ import annotations

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm import address, encoded, ended, find, reading, writing
from vmbackup_operator.services.clients import Clients


class PrivateZones:
    """Looks at private zones and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the zone, or None."""
        at = address(resource_id)
        zones = self._clients.private_dns(at.subscription_id).private_zones
        return await find(reading(resource_id), zones.get(at.group, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the zone to its end."""
        at = address(resource_id)
        zones = self._clients.private_dns(at.subscription_id).private_zones
        call = zones.begin_create_or_update(at.group, at.name, encoded(body))
        return await ended(writing(resource_id), call)


class VirtualNetworkLinks:
    """Looks at zones' links and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the link, or None."""
        at = address(resource_id)
        links = self._clients.private_dns(at.subscription_id).virtual_network_links
        return await find(reading(resource_id), links.get(at.group, at.parent, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the link to its end."""
        at = address(resource_id)
        links = self._clients.private_dns(at.subscription_id).virtual_network_links
        call = links.begin_create_or_update(at.group, at.parent, at.name, encoded(body))
        return await ended(writing(resource_id), call)
