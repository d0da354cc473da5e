"""Names as Azure's DNS answers them: by a VNet's linked private zones, else publicly."""

from __future__ import annotations

from dataclasses import dataclass

from azure_simulator.gateway.names import (
    PUBLIC_NAMES,
    parse_name,
    private_label,
    private_name,
    public_address,
)
from azure_simulator.gateway.picture import Picture, Zone

#: As many CNAMEs as any of our names needs, with room; resolvers stop too.
_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name came to: *address*, by way of *aliases*; or none, and *reason* says why."""

    name: str
    aliases: tuple[str, ...] = ()
    address: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Address:
    value: str


@dataclass(frozen=True, slots=True)
class _Alias:
    name: str


@dataclass(frozen=True, slots=True)
class _Nothing:
    reason: str


_Answer = _Address | _Alias | _Nothing


def resolve(picture: Picture, vnet_id: str | None, name: str) -> Resolution:
    """Resolve *name* (lower case) as a client in the VNet *vnet_id* would, or outside of any."""
    chain: list[str] = []
    asked = name
    while len(chain) <= _LONGEST_CHAIN:
        match _ask(picture, vnet_id, asked):
            case _Address(value):
                return Resolution(name, tuple(chain), value)
            case _Nothing(reason):
                return Resolution(name, tuple(chain), reason=reason)
            case _Alias(alias):
                chain.append(alias)
                asked = alias
    return Resolution(name, tuple(chain), reason=f"{name}: more than {_LONGEST_CHAIN} aliases")


def hosts(picture: Picture, vnet_id: str | None) -> dict[str, str]:
    """Return every name that a client in *vnet_id* can resolve, with its address."""
    names = [
        *PUBLIC_NAMES,
        *(
            f"{account}.{service}.core.windows.net"
            for account in picture.accounts
            for service in ("blob", "queue")
        ),
        *picture.exports,
    ]
    resolved = (resolve(picture, vnet_id, name) for name in names)
    return {answer.name: answer.address for answer in resolved if answer.address}


def _ask(picture: Picture, vnet_id: str | None, name: str) -> _Answer:
    zone = _zone_for(picture, vnet_id, name)
    if zone is None or vnet_id is None:
        return _public(picture, name)
    label = name.removesuffix(zone.name).removesuffix(".") or "@"
    for candidate in (label, "*"):
        if alias := zone.aliases.get(candidate):
            return _Alias(alias)
        if addresses := zone.addresses.get(candidate):
            return _Address(addresses[0])
    if zone.links[vnet_id]:
        return _public(picture, name)
    return _Nothing(f"private zone {zone.name} is linked to the VNet and has no record {label}")


def _zone_for(picture: Picture, vnet_id: str | None, name: str) -> Zone | None:
    linked = [
        zone
        for zone in picture.zones
        if vnet_id in zone.links and (name == zone.name or name.endswith("." + zone.name))
    ]
    return max(linked, key=lambda zone: len(zone.name), default=None)


def _public(picture: Picture, name: str) -> _Answer:
    if private := private_label(name):
        return _public_behind_link(picture, name, *private)
    parsed = parse_name(name)
    if parsed is None:
        return _Nothing(f"no name {name} in public DNS")
    if parsed.service in ("blob", "queue") and parsed.label not in picture.accounts:
        return _Nothing(f"there is no storage account {parsed.label}")
    if parsed.needs_endpoint and name not in picture.exports:
        return _Nothing(f"there is no disk access with the export host {name}")
    account = picture.accounts.get(parsed.label)
    if parsed.needs_endpoint or (account and account.id in picture.connected_targets):
        return _Alias(private_name(parsed))
    return _Address(public_address(parsed.label))


def _public_behind_link(picture: Picture, name: str, label: str, service: str) -> _Answer:
    """Answer for a name under ``privatelink`` where no private zone does: still the public one."""
    labels = {export.partition(".")[0] for export in picture.exports}
    if label in picture.accounts or (service == "blob" and label in labels):
        return _Address(public_address(label))
    return _Nothing(f"no name {name} in public DNS")
