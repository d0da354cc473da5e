"""Looks at what must be known before a plan can be made: tagged accounts and chosen addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.addresses import (
    Ranges,
    choose_ranges,
    overlapping,
    split_range,
)
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.plan import (
    ENDPOINT_SUBNET,
    WORKER_SUBNET,
    Network,
    Place,
    Plan,
)
from vmbackup_operator.environments.ports import ResourceManager
from vmbackup_operator.environments.storage_accounts import find_tagged
from vmbackup_operator.environments.virtual_networks import prefixes_in_reach, ranges_of
from vmbackup_operator.model.region_environment import RegionEnvironmentSpec
from vmbackup_operator.naming import ArmId, EnvironmentNames, arm_id, environment_names
from vmbackup_operator.settings import Settings


@dataclass(slots=True)
class Discovery:
    """One look; *looked_at* is what was read of things that the walk would read again."""

    settings: Settings
    manager: ResourceManager
    looked_at: dict[ArmId, Body] = field(default_factory=dict)
    _accounts: dict[str, Sequence[Body]] = field(default_factory=dict)

    async def plan(
        self,
        spec: RegionEnvironmentSpec,
        home_spec: RegionEnvironmentSpec,
        accounts: Sequence[ArmId],
        by_hand: frozenset[ArmId],
    ) -> Plan:
        """Return the plan of *spec*'s environment."""
        appliance = self.settings.appliance
        is_home = _pair(spec) == _pair(home_spec)
        place = await self._place(spec, keeps_clear=is_home and spec.private_network)
        home = place if is_home else await self._neighbour(home_spec)
        return Plan(
            appliance_id=appliance.id,
            appliance_network_id=ArmId(appliance.virtual_network_id),
            place=place,
            home=home,
            private=spec.private_network,
            accounts=tuple(accounts),
            by_hand=by_hand,
        )

    async def _place(self, spec: RegionEnvironmentSpec, *, keeps_clear: bool) -> Place:
        names = self._names(spec)
        network = _network(spec, names)
        if spec.network.virtual_network_id is None:
            ranges = await self._ranges(spec, names, network, keeps_clear=keeps_clear)
            network = _network(spec, names, ranges)
        account = await self._account(spec, names)
        return Place(spec.subscription_id, spec.region, names, network, account)

    async def _neighbour(self, spec: RegionEnvironmentSpec) -> Place:
        """Return the home as others see it: how its addresses are cut is its own business."""
        names = self._names(spec)
        account = await self._account(spec, names)
        return Place(spec.subscription_id, spec.region, names, _network(spec, names), account)

    def _names(self, spec: RegionEnvironmentSpec) -> EnvironmentNames:
        return environment_names(self.settings.appliance.id, spec.subscription_id, spec.region)

    async def _account(self, spec: RegionEnvironmentSpec, names: EnvironmentNames) -> ArmId:
        subscription = spec.subscription_id.lower()
        if subscription not in self._accounts:
            self._accounts[subscription] = await self.manager.storage_accounts(subscription)
        accounts = self._accounts[subscription]
        found = find_tagged(accounts, self.settings.appliance.id, spec.region)
        if found is None:
            resource_type = "Microsoft.Storage/storageAccounts"
            group = names.resource_group
            return arm_id(spec.subscription_id, group, resource_type, names.storage_account)
        account = ArmId(text_at(found, "id"))
        self.looked_at[account] = found
        return account

    async def _ranges(
        self,
        spec: RegionEnvironmentSpec,
        names: EnvironmentNames,
        network: Network,
        *,
        keeps_clear: bool,
    ) -> Ranges:
        """Return what was chosen when the network was made, else choose."""
        existing = await self.manager.find("VirtualNetwork", network.virtual_network_id)
        if existing is not None:
            self.looked_at[network.virtual_network_id] = existing
            chosen = ranges_of(existing)
            if chosen is not None:
                return chosen
        taken = await self._taken() if keeps_clear else ()
        if spec.network.address_prefix is None:
            return choose_ranges(self.settings.region_environments.address_pool, names.key, taken)
        wanted = split_range(spec.network.address_prefix)
        overlap = overlapping((wanted.network,), taken)
        if overlap is not None:
            raise PermanentError(
                f"address range {overlap[0]} overlaps {overlap[1]}, which the appliance's virtual"
                " network or a peer of it uses",
                reason="AddressesOverlap",
            )
        return wanted

    async def _taken(self) -> tuple[str, ...]:
        appliance = ArmId(self.settings.appliance.virtual_network_id)
        found = await self.manager.find("VirtualNetwork", appliance)
        if found is None:
            raise PermanentError(
                f"the appliance's virtual network {appliance} does not exist",
                reason="VirtualNetworkNotFound",
            )
        return prefixes_in_reach(found)


def _pair(spec: RegionEnvironmentSpec) -> tuple[str, str]:
    return (spec.subscription_id.lower(), spec.region.lower())


def _network(
    spec: RegionEnvironmentSpec, names: EnvironmentNames, ranges: Ranges | None = None
) -> Network:
    wanted = spec.network
    group = spec.network_security_group_id
    owned_group = _id(spec, names, "networkSecurityGroups", names.network_security_group)
    if wanted.virtual_network_id is not None:
        if wanted.worker_subnet_id is None or wanted.endpoint_subnet_id is None:
            raise PermanentError(
                f"{wanted.virtual_network_id} is named without both of its subnets",
                reason="InvalidNetwork",
            )
        network = ArmId(wanted.virtual_network_id)
        workers, endpoints = ArmId(wanted.worker_subnet_id), ArmId(wanted.endpoint_subnet_id)
    else:
        network = _id(spec, names, "virtualNetworks", names.virtual_network)
        workers = ArmId(f"{network}/subnets/{WORKER_SUBNET}")
        endpoints = ArmId(f"{network}/subnets/{ENDPOINT_SUBNET}")
    return Network(
        virtual_network_id=network,
        worker_subnet_id=workers,
        endpoint_subnet_id=endpoints,
        network_security_group_id=ArmId(group) if group is not None else owned_group,
        ranges=ranges,
        owns_network_security_group=group is None,
    )


def _id(spec: RegionEnvironmentSpec, names: EnvironmentNames, kind: str, name: str) -> ArmId:
    resource_type = f"Microsoft.Network/{kind}"
    return arm_id(spec.subscription_id, names.resource_group, resource_type, name)
