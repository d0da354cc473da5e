"""Every route of Resource Manager, and what is made of them: the service that the gateway calls."""

from __future__ import annotations

from azure_simulator.arm import (
    accounts,
    authorization,
    blob_services,
    disk_accesses,
    disks,
    encryption_sets,
    endpoints,
    groups,
    images,
    interfaces,
    machines,
    networks,
    peerings,
    power,
    quotas,
    security_groups,
    security_rules,
    skus,
    snapshots,
    subscriptions,
    user_identities,
    zone_groups,
    zones,
)
from azure_simulator.arm.exchange import Cloud, Route
from azure_simulator.arm.operations import Operations
from azure_simulator.arm.providers import provider_routes
from azure_simulator.arm.run_commands import RunCommands
from azure_simulator.arm.service import ResourceManager
from azure_simulator.backing import Backing
from azure_simulator.identities.directory import Identities
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.pace import Pace
from azure_simulator.resources import Resources

#: The one name of Azure's public cloud that this answers for.
HOST = "management.azure.com"

_MODULES = (
    accounts,
    authorization,
    blob_services,
    disk_accesses,
    disks,
    encryption_sets,
    endpoints,
    groups,
    images,
    interfaces,
    machines,
    networks,
    peerings,
    power,
    quotas,
    security_groups,
    security_rules,
    skus,
    snapshots,
    subscriptions,
    user_identities,
    zone_groups,
    zones,
)


def _routes(commands: RunCommands) -> list[Route]:
    routes = [route for module in _MODULES for route in module.ROUTES]
    routes += commands.routes()
    return [*routes, *provider_routes({route.kind for route in routes})]


def route_kinds() -> set[str]:
    """Return every resource type that is answered for."""
    return {route.kind for route in _routes(RunCommands())}


class Arm:
    """Resource Manager with what it has to end: operations and scripts under way."""

    def __init__(
        self,
        *,
        resources: Resources,
        identities: Identities,
        backing: Backing,
        pace: Pace,
        journal: Journal,
        interventions: Interventions,
    ) -> None:
        self._operations = Operations(pace)
        self._commands = RunCommands()
        self._cloud = Cloud(resources, identities, backing, pace, self._operations)
        routes = _routes(self._commands)
        self.service = ResourceManager(self._cloud, routes, journal, interventions)

    def add_subscription(self, subscription_id: str) -> None:
        """Make *subscription_id* a subscription of the tenant; adding twice changes nothing."""
        if self._cloud.resources.find(f"/subscriptions/{subscription_id}") is None:
            tenant = self._cloud.identities.tenant_id
            self._cloud.resources.put(subscriptions.subscription(subscription_id, tenant))

    async def close(self) -> None:
        """End what is under way."""
        await self._commands.close()
        await self._operations.close()
