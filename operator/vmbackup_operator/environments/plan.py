"""What one environment is made of: every id, computed from settings, object and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import joined_tags
from vmbackup_operator.environments.addresses import Ranges
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    ArmId,
    EnvironmentNames,
    arm_id,
    digest,
    same_id,
)
from vmbackup_operator.ownership import Ownership

#: What an endpoint leads to: Azure calls it a group id.
Group = Literal["blob", "queue", "disks"]

BLOB_ZONE = "privatelink.blob.core.windows.net"
QUEUE_ZONE = "privatelink.queue.core.windows.net"
#: Disk accesses answer under names of the blob zone.
ZONE_OF_GROUP: dict[Group, str] = {"blob": BLOB_ZONE, "queue": QUEUE_ZONE, "disks": BLOB_ZONE}

WORKER_SUBNET = "workers"
ENDPOINT_SUBNET = "endpoints"

#: The containers of a region's account: the worker's bundle, and messages too long for a queue.
BUNDLE_CONTAINER = "bundle"
MESSAGES_CONTAINER = "messages"
CONTAINERS = (BUNDLE_CONTAINER, MESSAGES_CONTAINER)


@dataclass(frozen=True, slots=True)
class Network:
    """Where workers and endpoints stand; *ranges* is None for the user's own network."""

    virtual_network_id: ArmId
    worker_subnet_id: ArmId
    endpoint_subnet_id: ArmId
    network_security_group_id: ArmId
    ranges: Ranges | None
    owns_network_security_group: bool = True

    @property
    def owned(self) -> bool:
        """Whether the network is ours to write."""
        return self.ranges is not None


@dataclass(frozen=True, slots=True)
class Place:
    """One environment's ids."""

    subscription_id: str
    region: str
    names: EnvironmentNames
    network: Network
    account_id: ArmId
    #: Why nobody can tell which account is the environment's, empty where it is known.
    account_unclear: str = ""

    @property
    def resource_group_id(self) -> ArmId:
        return group_id(self.subscription_id, self.names.resource_group)

    @property
    def virtual_network_id(self) -> ArmId:
        """The network that workers and endpoints are in."""
        return self.network.virtual_network_id

    @property
    def endpoint_subnet_id(self) -> ArmId:
        """The subnet that endpoints are in."""
        return self.network.endpoint_subnet_id

    def zone_id(self, zone: str) -> ArmId:
        """Return the id of the environment's own zone called *zone*."""
        return self._id("Microsoft.Network/privateDnsZones", zone)

    def endpoint_id(self, target: ArmId, group: Group) -> ArmId:
        """Return the id of the environment's endpoint to *target*; the name tells nothing of it."""
        return self._id("Microsoft.Network/privateEndpoints", _endpoint_name(target, group))

    def _id(self, resource_type: str, name: str) -> ArmId:
        return arm_id(self.subscription_id, self.names.resource_group, resource_type, name)


@dataclass(frozen=True, slots=True)
class Outpost:
    """A network in another subscription, from which the *workers* of a region reach what is there.

    Azure lets a disk access be reached from one network only, of its own subscription. So there is
    one beside it, which is peered with the workers' network. Names are kept where workers ask.
    """

    workers: Place
    subscription_id: str
    resource_group: str
    names: EnvironmentNames
    #: The range of its network, and that of the endpoints in it.
    network_range: str
    endpoints_range: str

    @property
    def region(self) -> str:
        """The workers' region: a disk access serves its own region alone."""
        return self.workers.region

    @property
    def resource_group_id(self) -> ArmId:
        return group_id(self.subscription_id, self.resource_group)

    @property
    def virtual_network_id(self) -> ArmId:
        return self._id("Microsoft.Network/virtualNetworks", self.names.virtual_network)

    @property
    def endpoint_subnet_id(self) -> ArmId:
        return ArmId(f"{self.virtual_network_id}/subnets/{ENDPOINT_SUBNET}")

    def zone_id(self, zone: str) -> ArmId:
        """Return the id of the zone that the workers ask."""
        return self.workers.zone_id(zone)

    def endpoint_id(self, target: ArmId, group: Group) -> ArmId:
        """Return the id of the endpoint to *target* that is in this network."""
        return self._id("Microsoft.Network/privateEndpoints", _endpoint_name(target, group))

    def _id(self, resource_type: str, name: str) -> ArmId:
        return arm_id(self.subscription_id, self.resource_group, resource_type, name)


#: Whose network an endpoint is in.
Owner: TypeAlias = Place | Outpost


@dataclass(frozen=True, slots=True)
class Way:
    """An endpoint in *owner*'s network that leads to *group* of *target*."""

    owner: Owner
    target: ArmId
    group: Group

    @property
    def endpoint_id(self) -> ArmId:
        return self.owner.endpoint_id(self.target, self.group)

    @property
    def zone_id(self) -> ArmId:
        return self.owner.zone_id(ZONE_OF_GROUP[self.group])


@dataclass(frozen=True, slots=True)
class Plan:
    """One environment, its neighbours, and the repositories' accounts that its workers use."""

    ownership: Ownership
    appliance_network_id: ArmId
    place: Place
    home: Place
    private: bool = True
    accounts: tuple[ArmId, ...] = ()
    disk_access: ArmId | None = None
    #: Where the disk access is, if that is another subscription.
    outpost: Outpost | None = None
    #: Endpoints whose owner has to approve them by hand, since our identity may not.
    by_hand: frozenset[ArmId] = frozenset()
    #: Tags that the administrator wants on everything that is made.
    extra_tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_home(self) -> bool:
        """Whether the environment is that of the appliance's home region."""
        return same_id(self.place.resource_group_id, self.home.resource_group_id)

    @property
    def tags(self) -> dict[str, str]:
        """What every resource carries: the administrator's tags, and for people whose it is."""
        return joined_tags(self.extra_tags, {APPLIANCE_TAG: self.ownership.appliance_id})

    def ways(self) -> tuple[Way, ...]:
        """Return every endpoint that is owed, each once.

        Peering is not transitive and each network has its own zones, so whoever uses an account
        has an endpoint to it: the workers here, operator and command line in the home network.
        """
        if not self.private:
            return ()
        owed = [Way(self.place, self.place.account_id, group) for group in _BLOB_AND_QUEUE]
        owed.append(Way(self.place, self.home.account_id, "queue"))
        owed.append(Way(self.home, self.place.account_id, "blob"))
        for account in self.accounts:
            owed += [Way(self.place, account, "blob"), Way(self.home, account, "blob")]
        return tuple({folded(way.endpoint_id): way for way in owed}.values())

    def account_behind(self, way: Way) -> ArmId | None:
        """Return the repository's account that *way* leads to, None where it leads to our own."""
        return next((account for account in self.accounts if same_id(account, way.target)), None)


_BLOB_AND_QUEUE: tuple[Group, ...] = ("blob", "queue")


def _endpoint_name(target: ArmId, group: Group) -> str:
    return f"vmb-pe-{digest('endpoint', folded(target), group).hex()[:12]}-{group}"


def group_id(subscription_id: str, name: str) -> ArmId:
    """Return the id of a resource group."""
    return ArmId(f"/subscriptions/{subscription_id}/resourceGroups/{name}")
