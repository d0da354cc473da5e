"""Looks at what must be known before a plan can be made: sealed accounts and chosen addresses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.environments.addresses import (
    Ranges,
    choose_ranges,
    overlapping,
    split_range,
)
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.plan import (
    ENDPOINT_SUBNET,
    WORKER_SUBNET,
    Network,
    Place,
    Plan,
)
from vmbackup_operator.environments.ports import ResourceManager
from vmbackup_operator.environments.storage_accounts import Choice, choose_account
from vmbackup_operator.environments.virtual_networks import prefixes_in_reach, ranges_of
from vmbackup_operator.model.region_environment import RegionEnvironmentSpec
from vmbackup_operator.naming import (
    ArmId,
    EnvironmentNames,
    arm_id,
    environment_names,
    same_id,
)
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.settings import Settings


@dataclass(slots=True)
class Discovery:
    """One look; *looked_at* is what was read of things that the walk would read again.

    *taken* are names of accounts that Azure refused, since somebody else in the world has them.
    """

    settings: Settings
    ownership: Ownership
    manager: ResourceManager
    taken: Collection[str] = ()
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
            ownership=self.ownership,
            appliance_network_id=ArmId(appliance.virtual_network_id),
            place=place,
            home=home,
            private=spec.private_network,
            accounts=tuple(each for each in accounts if not _is_of(each, place, home)),
            by_hand=by_hand,
            extra_tags=joined_tags(self.settings.tags, {tag.name: tag.value for tag in spec.tags}),
        )

    def accounts_of(self, subscription_id: str) -> Sequence[Body]:
        """Return the subscription's accounts as they were read for the plan."""
        return self._accounts.get(folded(subscription_id), ())

    async def _place(self, spec: RegionEnvironmentSpec, *, keeps_clear: bool) -> Place:
        names = self._names(spec)
        network = _network(spec, names)
        if spec.network.virtual_network_id is None:
            ranges = await self._ranges(spec, names, network, keeps_clear=keeps_clear)
            network = _network(spec, names, ranges)
        account = await self._account(spec, names)
        return _placed(spec, names, network, account)

    async def _neighbour(self, spec: RegionEnvironmentSpec) -> Place:
        """Return the home as others see it: how its addresses are cut is its own business."""
        names = self._names(spec)
        account = await self._account(spec, names)
        return _placed(spec, names, _network(spec, names), account)

    def _names(self, spec: RegionEnvironmentSpec) -> EnvironmentNames:
        return environment_names(self.settings.appliance.id, spec.subscription_id, spec.region)

    async def _account(self, spec: RegionEnvironmentSpec, names: EnvironmentNames) -> Choice:
        subscription = folded(spec.subscription_id)
        if subscription not in self._accounts:
            self._accounts[subscription] = await self.manager.storage_accounts(subscription)
        place = (spec.subscription_id, spec.region, names)
        choice = choose_account(self._accounts[subscription], self.ownership, place, self.taken)
        if choice.seen is not None:
            self.looked_at[choice.id] = choice.seen
        return choice

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
        taken = await self._find_taken() if keeps_clear else ()
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

    async def _find_taken(self) -> tuple[str, ...]:
        appliance = ArmId(self.settings.appliance.virtual_network_id)
        found = await self.manager.find("VirtualNetwork", appliance)
        if found is None:
            raise PermanentError(
                f"the appliance's virtual network {appliance} does not exist",
                reason="VirtualNetworkNotFound",
            )
        return prefixes_in_reach(found)


def _pair(spec: RegionEnvironmentSpec) -> tuple[str, str]:
    return (folded(spec.subscription_id), folded(spec.region))


def _placed(
    spec: RegionEnvironmentSpec, names: EnvironmentNames, network: Network, account: Choice
) -> Place:
    return Place(spec.subscription_id, spec.region, names, network, account.id, account.unclear)


def _is_of(account: ArmId, *places: Place) -> bool:
    """Tell whether *account* is the own one of any of *places*, which has its endpoints anyway."""
    return any(same_id(account, place.account_id) for place in places)


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
