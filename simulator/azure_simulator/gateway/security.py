"""Network security groups: which rule, if any, keeps a connection to port 443 from its way.

Both ends are inside the caller's VNet or a peered one, or one is public. Azure's own rules allow
all of that: only the users' rules can deny. Service tags other than ``VirtualNetwork`` and
``Internet``, and application security groups, match nothing here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from azure_simulator.gateway.names import PUBLIC_RANGE
from azure_simulator.resources import Body

Direction = Literal["Inbound", "Outbound"]

_EVERYWHERE = frozenset({"*", "any", "0.0.0.0/0"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group."""

    name: str
    priority: int
    direction: str
    allows: bool
    covers_port: bool
    sources: tuple[str, ...]
    destinations: tuple[str, ...]


def read_rules(group: Body) -> tuple[Rule, ...]:
    """Return a security group's own rules in the order in which Azure asks them."""
    rules = [
        _rule(str(entry.get("name", "")), entry.get("properties") or {})
        for entry in group.get("securityRules") or ()
    ]
    return tuple(sorted(rules, key=lambda rule: rule.priority))


def denying_rule(
    rules: Sequence[Rule], direction: Direction, source: str | None, destination: str | None
) -> str | None:
    """Return the name of the rule that denies the connection, or None where it may pass.

    An address that is not known (the appliance's pods have none) matches every prefix.
    """
    for rule in rules:
        if (
            rule.direction == direction
            and rule.covers_port
            and _covers(rule.sources, source)
            and _covers(rule.destinations, destination)
        ):
            return None if rule.allows else rule.name
    return None


def _rule(name: str, properties: Body) -> Rule:
    ports = _both(properties, "destinationPortRange")
    protocol = str(properties.get("protocol", "*")).lower()
    return Rule(
        name=name,
        priority=int(properties.get("priority", 0)),
        direction=str(properties.get("direction", "")),
        allows=str(properties.get("access", "Allow")).lower() == "allow",
        covers_port=protocol in ("*", "tcp") and any(_has_443(port) for port in ports),
        sources=_both(properties, "sourceAddressPrefix"),
        destinations=_both(properties, "destinationAddressPrefix"),
    )


def _both(properties: Body, key: str) -> tuple[str, ...]:
    """Return the values of a property that ARM has once in the singular and once in the plural."""
    plural = key + "s" if key.endswith("Range") else key + "es"
    single = properties.get(key)
    several = properties.get(plural) or []
    return tuple(str(value).lower() for value in [*([single] if single else []), *several])


def _has_443(ports: str) -> bool:
    low, _, high = ports.partition("-")
    return ports == "*" or int(low) <= 443 <= int(high or low)  # noqa: PLR2004 - HTTPS


def _covers(prefixes: Sequence[str], address: str | None) -> bool:
    if any(prefix in _EVERYWHERE or prefix == _side_of(address) for prefix in prefixes):
        return True
    networks = [network for prefix in prefixes if (network := _network(prefix))]
    if address is None:
        return bool(networks)
    return any(ipaddress.ip_address(address) in network for network in networks)


def _side_of(address: str | None) -> str:
    """Return the service tag of where *address* is; one that is not known is inside."""
    public = address is not None and ipaddress.ip_address(address) in PUBLIC_RANGE
    return "internet" if public else "virtualnetwork"


def _network(prefix: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return None  # a service tag
