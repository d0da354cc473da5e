"""Peerings of virtual networks: one half on each side, connected only when both are there."""

from __future__ import annotations

import ipaddress

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import weak_etag
from azure_simulator.arm.errors import ArmError, invalid_reference, parent_not_found
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.network_writes import (
    check_preconditions,
    not_busy,
    provisioned,
    start_delete,
    start_write,
)
from azure_simulator.arm.networks import KIND as NETWORK
from azure_simulator.arm.networks import PEERING, show_children
from azure_simulator.arm.reading import missing_network_child, reading_routes
from azure_simulator.resources import Body, Resource, parent_id

_SECONDS = 10.0

_FLAGS = {
    "allowVirtualNetworkAccess": True,
    "allowForwardedTraffic": False,
    "allowGatewayTransit": False,
    "useRemoteGateways": False,
    "doNotVerifyRemoteGateways": False,
    "peerCompleteVnets": True,
}


def _halves(cloud: Cloud, network: Resource) -> list[Resource]:
    return [r for r in cloud.resources.under(network.id) if r.type == PEERING.lower()]


def _remote_id(peering: Resource) -> str:
    remote: str = peering.properties["remoteVirtualNetwork"]["id"]
    return remote.lower()


def _other_half(cloud: Cloud, network: Resource, remote: Resource) -> Resource | None:
    halves = _halves(cloud, remote)
    return next((half for half in halves if _remote_id(half) == network.id.lower()), None)


async def _put(exchange: Exchange) -> Answer:
    check_preconditions(exchange)
    cloud, existing = exchange.cloud, exchange.existing
    network = cloud.resources.find(parent_id(exchange.target.path))
    if network is None:
        raise parent_not_found("write", PEERING, parent_id(exchange.target.path))
    not_busy(exchange, network)
    remote = _remote(exchange, network)
    other = _other_half(cloud, network, remote)
    _check(exchange, network, remote, other)
    given = exchange.properties
    space = remote.properties["addressSpace"]
    properties: Body = {
        "provisioningState": "Updating",
        "peeringState": existing.properties["peeringState"] if existing else "Initiated",
        "peeringSyncLevel": "RemoteNotInSync",
        "remoteVirtualNetwork": {"id": remote.id},
        **{flag: bool(given.get(flag, default)) for flag, default in _FLAGS.items()},
        "remoteAddressSpace": space,
        "remoteVirtualNetworkAddressSpace": space,
    }
    body: Body = {
        "name": existing.name if existing else exchange.target.name,
        "id": existing.id
        if existing
        else f"{network.id}/virtualNetworkPeerings/{exchange.target.name}",
        "etag": weak_etag(),
        "properties": properties,
        "type": PEERING,
    }
    half = Resource(body["id"], body, existing.hidden if existing else {})

    async def finish() -> None:
        _join(half, _other_half(cloud, network, remote))
        show_children(cloud, network)
        show_children(cloud, remote)

    answer = start_write(
        exchange,
        half,
        created=existing is None,
        region=network.body["location"],
        first=10,
        seconds=_SECONDS,
        finish=finish,
        also=network,
    )
    show_children(cloud, network)
    return answer


def _join(half: Resource, other: Resource | None) -> None:
    if other is None or other.properties["peeringState"] == "Disconnected":
        half.properties["peeringState"] = "Initiated"
        return
    for one in (half, other):
        one.properties["peeringState"] = "Connected"
        one.properties["peeringSyncLevel"] = "FullyInSync"


def _remote(exchange: Exchange, network: Resource) -> Resource:
    remote_id = (exchange.properties.get("remoteVirtualNetwork") or {}).get("id", "")
    remote = exchange.cloud.resources.find(remote_id)
    if remote is None or remote.type != NETWORK.lower():
        raise invalid_reference(remote_id, exchange.target.path)
    exchange.require_linked(f"{NETWORK}/peer/action", remote.id)
    provisioned(remote, exchange.target.path, status=400)
    if remote.id == network.id:
        message = f"Virtual network {network.id} cannot be peered with itself."
        raise ArmError(400, "InvalidResourceReference", message, details=[])
    return remote


def _check(exchange: Exchange, network: Resource, remote: Resource, other: Resource | None) -> None:
    if _overlap(network, remote):
        message = (
            f"Cannot create or update peering {exchange.target.path}. Virtual networks "
            f"{network.id} and {remote.id} cannot be peered because their address spaces overlap."
        )
        raise ArmError(400, "VnetAddressSpacesOverlap", message, details=[])
    for half in _halves(exchange.cloud, network):
        if (
            _remote_id(half) == remote.id.lower()
            and half.id.lower() != exchange.target.path.lower()
        ):
            message = f"Peering {half.id} already references remote virtual network {remote.id}."
            raise ArmError(400, "AnotherPeeringAlreadyReferencesRemoteVnet", message, details=[])
    if other is not None and other.properties["peeringState"] == "Disconnected":
        message = (
            f"Cannot create or update peering {exchange.target.path} because remote peering "
            f"{other.id} referencing parent virtual network {network.id} is in Disconnected state. "
            "Update or re-create the remote peering to get it back to Initiated state."
        )
        raise ArmError(400, "RemotePeeringIsDisconnected", message, details=[])


def _overlap(one: Resource, other: Resource) -> bool:
    spaces = [
        [ipaddress.IPv4Network(p) for p in network.properties["addressSpace"]["addressPrefixes"]]
        for network in (one, other)
    ]
    return any(first.overlaps(second) for first in spaces[0] for second in spaces[1])


async def _delete(exchange: Exchange) -> Answer:
    cloud, half = exchange.cloud, exchange.existing
    network = cloud.resources.find(parent_id(exchange.target.path))
    if half is None or network is None:
        return Answer(204)
    not_busy(exchange, network)

    async def finish() -> None:
        remote = cloud.resources.find(_remote_id(half))
        other = _other_half(cloud, network, remote) if remote else None
        cloud.resources.remove(half.id)
        if other is not None:
            other.properties["peeringState"] = "Disconnected"
        for changed in (network, remote):
            if changed is not None:
                show_children(cloud, changed)

    return start_delete(
        exchange, half, region=network.body["location"], seconds=_SECONDS, finish=finish
    )


ROUTES = (
    Route("PUT", PEERING, _put),
    Route("DELETE", PEERING, _delete),
    *reading_routes(PEERING, missing_network_child),
)
