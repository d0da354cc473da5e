"""Whether a caller reaches a name, over which private endpoint, and what is missing where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from azure_simulator.gateway.dns import resolve
from azure_simulator.gateway.names import AzureName, ServiceName, parse_name, public_address
from azure_simulator.gateway.picture import Endpoint, Picture
from azure_simulator.gateway.security import Rule, denying_rule


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: *name* is ``appliance``, ``internet`` or a VM's ARM id.

    *rules* are those of the VM's own interface and subnet.
    """

    name: str
    vnet_id: str | None = None
    internet: bool = False
    address: str | None = None
    rules: tuple[tuple[Rule, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A way to *service* at *address*; over a private endpoint where there is one."""

    service: ServiceName
    address: str
    endpoint_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """No way, and why.

    Where *by* is ``account`` Azure takes the connection and answers every request with 403, as its
    storage does for those outside; ``name`` (none resolves) and ``network`` end in no connection.
    """

    by: Literal["name", "network", "account"]
    reason: str


Decision = Way | Refusal


def machine_caller(picture: Picture, vm_id: str) -> Caller:
    """Return the VM as a caller: in its VNet, and out to the internet where its subnet has a way.

    Subnets are private by default; public addresses and NAT gateways are not modelled.
    """
    machine = picture.machines.get(vm_id.lower())
    if machine is None:
        return Caller(vm_id)
    subnet = picture.subnets.get(machine.subnet_id)
    return Caller(
        vm_id,
        vnet_id=machine.vnet_id,
        internet=subnet is not None and subnet.outbound,
        address=machine.address,
        rules=(machine.rules, subnet.rules if subnet else ()),
    )


def decide(picture: Picture, caller: Caller, name: str) -> Decision:
    """Decide whether *caller* reaches *name* (lower case) on port 443."""
    parsed = parse_name(name)
    if parsed is None:
        return Refusal("name", f"{name} is none of the Azure names that are simulated")
    resolution = resolve(picture, caller.vnet_id, name)
    if resolution.address is None:
        return Refusal("name", f"{name} does not resolve: {resolution.reason}")
    if resolution.address == public_address(parsed.label):
        return _public_way(picture, caller, parsed, resolution.address)
    return _private_way(picture, caller, parsed, name, resolution.address)


def _public_way(picture: Picture, caller: Caller, name: AzureName, address: str) -> Decision:
    if not caller.internet:
        return Refusal("network", f"{address} is public and {caller.name} has no way to it")
    denied = _denied_out(caller, address)
    if denied:
        return Refusal("network", denied)
    account = picture.accounts.get(name.label)
    if account is not None and name.service in ("blob", "queue"):
        if not account.public:
            return Refusal("account", f"public network access of {account.name} is Disabled")
        if not account.open_by_default:
            return Refusal("account", f"network rules of {account.name} deny by default")
    if name.needs_endpoint:
        return Refusal("account", f"{name.label} answers through private endpoints only")
    return Way(name.service, address)


def _private_way(
    picture: Picture, caller: Caller, name: AzureName, host: str, address: str
) -> Decision:
    if caller.vnet_id is None:
        return Refusal("network", f"{address} is private and {caller.name} is in no VNet")
    holders = [endpoint for endpoint in picture.endpoints if address in endpoint.addresses]
    if not holders:
        return Refusal("network", f"no private endpoint has the address {address}")
    near = {caller.vnet_id} | {b for a, b in picture.peered if a == caller.vnet_id}
    reachable = [endpoint for endpoint in holders if endpoint.vnet_id in near]
    if not reachable:
        return Refusal(
            "network",
            f"{address} is in {holders[0].vnet_id}, neither {caller.vnet_id} nor peered with it",
        )
    # An address in the caller's own VNet hides the same one in a peered VNet.
    endpoint = min(reachable, key=lambda each: each.vnet_id != caller.vnet_id)
    lacking = _lacks(picture, endpoint, name, host) or _denied(picture, caller, endpoint, address)
    return Refusal("network", lacking) if lacking else Way(name.service, address, endpoint.id)


def _lacks(picture: Picture, endpoint: Endpoint, name: AzureName, host: str) -> str | None:
    """Return what keeps *endpoint* from leading to *host*."""
    if name.service == "export":
        target, group = picture.exports.get(host), "disks"
    else:
        account = picture.accounts.get(name.label)
        target, group = account.id if account else None, name.service
    if endpoint.target_id != target or group not in endpoint.groups:
        return f"{endpoint.id} leads to {endpoint.target_id} ({', '.join(endpoint.groups)})"
    if not endpoint.provisioned:
        return f"{endpoint.id} is not provisioned yet"
    if endpoint.state != "Approved":
        return f"the connection of {endpoint.id} is {endpoint.state or 'gone'}, not Approved"
    return None


def _denied(picture: Picture, caller: Caller, endpoint: Endpoint, address: str) -> str | None:
    """Return the security rule that keeps *caller* from *endpoint*."""
    denied = _denied_out(caller, address)
    if denied:
        return denied
    subnet = picture.subnets.get(endpoint.subnet_id)
    if subnet and subnet.holds_for_endpoints:
        rule = denying_rule(subnet.rules, "Inbound", caller.address, address)
        return f"security rule {rule} denies the way in to {endpoint.id}" if rule else None
    return None


def _denied_out(caller: Caller, address: str) -> str | None:
    """Return the caller's own security rule that keeps it from *address*."""
    for rules in caller.rules:
        if rule := denying_rule(rules, "Outbound", caller.address, address):
            return f"security rule {rule} denies {caller.name} its way out to {address}"
    return None
