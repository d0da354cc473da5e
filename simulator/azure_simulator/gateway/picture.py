"""The private network as it stands: ARM's bodies read once into what names and paths depend on.

A picture is made anew after each change of the resources; the decisions read only pictures. Ids are
kept in lower case, since Azure compares them so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from azure_simulator.gateway.security import Rule, read_rules
from azure_simulator.resources import Body, Resource, Resources, parent_id


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account's public side."""

    id: str
    name: str
    public: bool
    open_by_default: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A private endpoint; *state* is the connection's on the target, which decides."""

    id: str
    vnet_id: str
    subnet_id: str
    target_id: str
    groups: tuple[str, ...]
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    provisioned: bool
    state: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A private DNS zone: *links* says of each VNet whether it may ask on in public DNS."""

    id: str
    name: str
    links: Mapping[str, bool]
    addresses: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet's security group, whether it also holds for endpoints, and its way out."""

    rules: tuple[Rule, ...]
    holds_for_endpoints: bool
    outbound: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a VM's first network interface is."""

    vnet_id: str
    subnet_id: str
    address: str | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it; *peered* holds pairs of VNets that both sides have connected."""

    accounts: Mapping[str, Account]
    exports: Mapping[str, str]
    endpoints: tuple[Endpoint, ...]
    connected_targets: frozenset[str]
    zones: tuple[Zone, ...]
    peered: frozenset[tuple[str, str]]
    subnets: Mapping[str, Subnet]
    machines: Mapping[str, Machine]


@dataclass(slots=True)
class _Sorted:
    """The resources by type, and the children that pictures need by their parent's id."""

    by_type: dict[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))
    children: dict[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))

    def of(self, resource_type: str) -> list[Resource]:
        return self.by_type.get(resource_type, [])


def picture_of(resources: Resources) -> Picture:
    """Read everything that a path through the private network depends on."""
    found = _Sorted()
    for resource in resources.under(""):
        found.by_type[resource.type].append(resource)
        found.children[parent_id(resource.id).lower()].append(resource)
    states = _connection_states(found)
    endpoints = tuple(
        _endpoint(endpoint, found, states)
        for endpoint in found.of("microsoft.network/privateendpoints")
    )
    rules = {
        group.id.lower(): read_rules(group.properties)
        for group in found.of("microsoft.network/networksecuritygroups")
    }
    return Picture(
        accounts={
            account.name.lower(): _account(account)
            for account in found.of("microsoft.storage/storageaccounts")
        },
        exports=dict(_export_hosts(found, endpoints)),
        endpoints=endpoints,
        connected_targets=frozenset(target for target, _ in states),
        zones=tuple(_zone(zone, found) for zone in found.of("microsoft.network/privatednszones")),
        peered=_peered(found),
        subnets={
            subnet.id.lower(): _subnet(subnet, rules)
            for subnet in found.of("microsoft.network/virtualnetworks/subnets")
        },
        machines=_machines(found, rules),
    )


def _machines(found: _Sorted, rules: Mapping[str, tuple[Rule, ...]]) -> Mapping[str, Machine]:
    interfaces = {nic.id.lower(): nic for nic in found.of("microsoft.network/networkinterfaces")}
    placed = (
        (vm.id.lower(), _machine(vm, interfaces, rules))
        for vm in found.of("microsoft.compute/virtualmachines")
    )
    return {vm_id: machine for vm_id, machine in placed if machine is not None}


def _machine(
    vm: Resource,
    interfaces: Mapping[str, Resource],
    rules: Mapping[str, tuple[Rule, ...]],
) -> Machine | None:
    for reference in _list(_body(vm.properties, "networkProfile"), "networkInterfaces"):
        nic = interfaces.get(_id(reference))
        for configuration in _list(nic.properties, "ipConfigurations") if nic else ():
            properties = _body(configuration, "properties")
            subnet_id = _id(_body(properties, "subnet"))
            if nic is not None and subnet_id:
                group = _id(_body(nic.properties, "networkSecurityGroup"))
                return Machine(
                    vnet_id=parent_id(subnet_id),
                    subnet_id=subnet_id,
                    address=properties.get("privateIPAddress"),
                    rules=rules.get(group, ()),
                )
    return None


def _account(account: Resource) -> Account:
    rules = _body(account.properties, "networkAcls")
    return Account(
        id=account.id.lower(),
        name=account.name.lower(),
        public=account.properties.get("publicNetworkAccess", "Enabled") == "Enabled",
        open_by_default=rules.get("defaultAction", "Allow") == "Allow",
    )


def _connection_states(found: _Sorted) -> dict[tuple[str, str], str]:
    """Return each connection's state by target and endpoint, as the target says.

    A target lists its connections in its body or has them as children, or both.
    """
    states: dict[tuple[str, str], str] = {}
    for kind in ("microsoft.storage/storageaccounts", "microsoft.compute/diskaccesses"):
        for target in found.of(kind):
            connections = [
                *_list(target.properties, "privateEndpointConnections"),
                *(
                    child.body
                    for child in found.of(f"{kind}/privateendpointconnections")
                    if parent_id(child.id).lower() == target.id.lower()
                ),
            ]
            for connection in connections:
                properties = _body(connection, "properties")
                endpoint_id = _id(_body(properties, "privateEndpoint"))
                state = _body(properties, "privateLinkServiceConnectionState").get("status", "")
                states[target.id.lower(), endpoint_id] = state
    return states


def _endpoint(
    endpoint: Resource, found: _Sorted, states: Mapping[tuple[str, str], str]
) -> Endpoint:
    subnet_id = _id(_body(endpoint.properties, "subnet"))
    links = [
        _body(link, "properties")
        for key in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
        for link in _list(endpoint.properties, key)
    ]
    target_id = str(links[0].get("privateLinkServiceId", "")).lower() if links else ""
    configurations = _list(endpoint.properties, "customDnsConfigs")
    return Endpoint(
        id=endpoint.id.lower(),
        vnet_id=parent_id(subnet_id) if subnet_id else "",
        subnet_id=subnet_id,
        target_id=target_id,
        groups=tuple(str(group) for link in links for group in link.get("groupIds") or ()),
        addresses=_addresses(endpoint, found)
        or tuple(address for entry in configurations for address in entry.get("ipAddresses") or ()),
        names=tuple(str(entry.get("fqdn", "")).lower() for entry in configurations),
        provisioned=endpoint.provisioning_state == "Succeeded",
        state=states.get((target_id, endpoint.id.lower()), ""),
    )


def _addresses(endpoint: Resource, found: _Sorted) -> tuple[str, ...]:
    wanted = {_id(nic) for nic in _list(endpoint.properties, "networkInterfaces")}
    return tuple(
        address
        for nic in found.of("microsoft.network/networkinterfaces")
        if nic.id.lower() in wanted
        for configuration in _list(nic.properties, "ipConfigurations")
        if (address := _body(configuration, "properties").get("privateIPAddress"))
    )


def _export_hosts(found: _Sorted, endpoints: tuple[Endpoint, ...]) -> Iterator[tuple[str, str]]:
    """Yield each disk access's export host and id.

    ARM keeps the host with the disk access; its endpoints say it too.
    """
    for access in found.of("microsoft.compute/diskaccesses"):
        if host := access.hidden.get("exportHost"):
            yield str(host).lower(), access.id.lower()
    for endpoint in endpoints:
        if "disks" in endpoint.groups:
            yield from ((name, endpoint.target_id) for name in endpoint.names)


def _zone(zone: Resource, found: _Sorted) -> Zone:
    links: dict[str, bool] = {}
    addresses: dict[str, tuple[str, ...]] = {}
    aliases: dict[str, str] = {}
    for child in found.children.get(zone.id.lower(), ()):
        name = child.name.lower()
        match child.type.rsplit("/", 1)[1]:
            case "virtualnetworklinks" if child.provisioning_state == "Succeeded":
                policy = child.properties.get("resolutionPolicy", "Default")
                links[_id(_body(child.properties, "virtualNetwork"))] = policy == "NxDomainRedirect"
            case "a":
                records = _first_list(child.properties, "aRecords", "ARecords")
                addresses[name] = tuple(record["ipv4Address"] for record in records)
            case "cname":
                aliases[name] = str(_cname(child.properties)).lower().rstrip(".")
            case _:
                pass
    return Zone(zone.id.lower(), zone.name.lower(), links, addresses, aliases)


def _cname(properties: Body) -> str:
    return str(_body(properties, "cnameRecord").get("cname", ""))


def _peered(found: _Sorted) -> frozenset[tuple[str, str]]:
    connected = {
        (parent_id(peering.id).lower(), _id(_body(peering.properties, "remoteVirtualNetwork")))
        for peering in found.of("microsoft.network/virtualnetworks/virtualnetworkpeerings")
        if peering.properties.get("peeringState") == "Connected"
        and peering.properties.get("allowVirtualNetworkAccess", True)
    }
    return frozenset(pair for pair in connected if (pair[1], pair[0]) in connected)


def _subnet(subnet: Resource, rules: Mapping[str, tuple[Rule, ...]]) -> Subnet:
    group = _id(_body(subnet.properties, "networkSecurityGroup"))
    policies = subnet.properties.get("privateEndpointNetworkPolicies", "Disabled")
    return Subnet(
        rules=rules.get(group, ()),
        holds_for_endpoints=policies in ("Enabled", "NetworkSecurityGroupEnabled"),
        # Azure gives a way out only where a subnet asks for it, since its subnets are private.
        outbound=subnet.properties.get("defaultOutboundAccess") is True,
    )


def _id(reference: Body) -> str:
    return str(reference.get("id", "")).lower()


def _body(body: Body, key: str) -> Body:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _list(body: Body, key: str) -> list[Body]:
    value = body.get(key)
    return value if isinstance(value, list) else []


def _first_list(body: Body, *keys: str) -> list[Body]:
    return next((found for key in keys if (found := _list(body, key))), [])
