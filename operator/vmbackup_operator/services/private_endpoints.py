"""Private endpoints and their zone groups."""

from __future__ import annotations

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.arm import address, encoded, ended, find, reading, writing
from vmbackup_operator.services.clients import Clients


class PrivateEndpoints:
    """Looks at private endpoints and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the endpoint with its connections' states, or None."""
        at = address(resource_id)
        endpoints = self._clients.network(at.subscription_id).private_endpoints
        return await find(reading(resource_id), endpoints.get(at.group, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the endpoint to its end."""
        at = address(resource_id)
        endpoints = self._clients.network(at.subscription_id).private_endpoints
        call = endpoints.begin_create_or_update(at.group, at.name, encoded(body))
        return await ended(writing(resource_id), call)


class ZoneGroups:
    """Looks at the zone groups of private endpoints and writes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the zone group, or None."""
        at = address(resource_id)
        groups = self._clients.network(at.subscription_id).private_dns_zone_groups
        return await find(reading(resource_id), groups.get(at.group, at.parent, at.name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Write the zone group to its end."""
        at = address(resource_id)
        groups = self._clients.network(at.subscription_id).private_dns_zone_groups
        call = groups.begin_create_or_update(at.group, at.parent, at.name, encoded(body))
        return await ended(writing(resource_id), call)
