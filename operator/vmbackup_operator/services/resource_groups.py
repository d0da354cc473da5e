"""Resource groups."""

from __future__ import annotations

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId, resource_group_of, subscription_of
from vmbackup_operator.services.arm import encoded, find
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import translated


class ResourceGroups:
    """Looks at resource groups and makes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def find(self, resource_id: ArmId) -> Body | None:
        """Return the group, or None."""
        groups = self._clients.resources(subscription_of(resource_id)).resource_groups
        name = resource_group_of(resource_id)
        return await find(f"reading resource group {name}", groups.get(name))

    async def put(self, resource_id: ArmId, body: Body) -> Body:
        """Make or change the group."""
        groups = self._clients.resources(subscription_of(resource_id)).resource_groups
        name = resource_group_of(resource_id)
        with translated(f"writing resource group {name}"):
            return dict((await groups.create_or_update(name, encoded(body))).as_dict())
