"""The gateway: every caller's way into the private network and to Azure's public names.

Nothing outside this process is ever dialled. A caller is known from the socket it came to; a name
is looked up as the caller's VNet would, and the connection is served here or refused. Each open
connection is decided anew after every change of the resources and cut when its way has gone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Literal, TypedDict

from typing_extensions import Unpack

from azure_simulator.gateway import dns
from azure_simulator.gateway.certificates import Authority, choosing_context
from azure_simulator.gateway.connections import Connection, OpenConnections
from azure_simulator.gateway.names import ServiceName
from azure_simulator.gateway.picture import Picture, picture_of
from azure_simulator.gateway.reachability import (
    Caller,
    Decision,
    Refusal,
    decide,
    machine_caller,
)
from azure_simulator.journal import Journal
from azure_simulator.resources import Resources
from azure_simulator.service import Service

ProxyName = Literal["appliance", "internet"]
ConnectionEvent = Literal["opened", "refused", "cut"]


class _Why(TypedDict, total=False):
    """What the journal says of a connection beside its ends."""

    reason: str
    address: str
    endpoint: str


class Gateway:
    """Decides, and remembers what is open; the ways in are `proxies` and `machines`."""

    def __init__(
        self, resources: Resources, journal: Journal, services: Mapping[ServiceName, Service]
    ) -> None:
        self.authority = Authority()
        self.services = services
        self._resources = resources
        self._journal = journal
        self._open = OpenConnections()
        self._picture: Picture | None = None
        self._appliance_vnet: str | None = None
        self._recheck: asyncio.Handle | None = None
        resources.subscribe(self._resources_changed)

    def set_appliance_network(self, vnet_id: str | None) -> None:
        """Say which VNet the appliance is in; its open connections are decided anew."""
        self._appliance_vnet = vnet_id.lower() if vnet_id else None
        self._resources_changed()

    def hosts(self, vm_id: str) -> dict[str, str]:
        """Return the names that the VM can resolve, with their addresses."""
        return dns.hosts(self.picture, machine_caller(self.picture, vm_id).vnet_id)

    def decide(self, caller: str, host: str, address: str | None) -> Decision:
        """Decide for a caller's name; a VM's *address* must be what *host* resolves to."""
        decision = decide(self.picture, self._caller(caller), host)
        if address is None or isinstance(decision, Refusal) or decision.address == address:
            return decision
        return Refusal("network", f"{host} is at {decision.address}, not at {address}")

    def refused(self, caller: str, host: str, reason: str, status: int = 502) -> None:
        """Write down that a connection was refused."""
        self._record(caller, host, "refused", status, reason=reason)

    def opened(self, connection: Connection) -> None:
        """Write down that *connection*, which has its transport, is open, and watch it.

        Its way may have gone during the handshake: it is decided once more.
        """
        self._open.add(connection)
        self._recheck_soon()
        decision = connection.decision
        if isinstance(decision, Refusal):
            self.refused(connection.caller.name, connection.host, decision.reason, status=403)
            return
        self._record(
            connection.caller.name,
            connection.host,
            "opened",
            200,
            address=decision.address,
            endpoint=decision.endpoint_id or "",
        )

    def nobody_at(self, caller: str, address: str) -> tuple[str, str] | None:
        """Return name and reason where nothing can answer a VM at *address*."""
        if any(address in endpoint.addresses for endpoint in self.picture.endpoints):
            return None
        for name, resolved in self.hosts(caller).items():
            decision = self.decide(caller, name, address) if resolved == address else None
            if isinstance(decision, Refusal):
                return name, decision.reason
        return address, f"nothing answers at {address}"

    def front(self, connection: Connection) -> ssl.SSLContext:
        """Return the context that answers *connection*: for its host's name and no other.

        A VM's connection has no host yet: it is known, and decided, when the client names it.
        """
        return choosing_context(partial(self._choose, connection))

    def cut_caller(self, caller: str) -> None:
        """Cut everything that *caller* has open."""
        self._open.cut_where(lambda each: each.caller.name.lower() == caller.lower())

    def caller(self, name: str) -> Caller:
        """Return the caller called *name* as it stands."""
        return self._caller(name)

    @property
    def picture(self) -> Picture:
        """The network as it stands."""
        if self._picture is None:
            self._picture = picture_of(self._resources)
        return self._picture

    def close(self) -> None:
        """Cut everything."""
        if self._recheck is not None:
            self._recheck.cancel()
        self._open.cut_where(lambda _: True)

    def _choose(self, connection: Connection, name: str | None) -> ssl.SSLContext | None:
        if name is None or (connection.host and name != connection.host):
            self.refused(
                connection.caller.name,
                connection.host or connection.address or "",
                f"TLS was asked for the name {name}",
            )
            return None
        if not connection.host:
            decision = self.decide(connection.caller.name, name, connection.address)
            if isinstance(decision, Refusal) and decision.by != "account":
                self.refused(connection.caller.name, name, decision.reason)
                return None
            connection.host, connection.decision = name, decision
        return self.authority.context_for(name)

    def _caller(self, name: str) -> Caller:
        if name == "internet":
            return Caller(name, internet=True)
        if name == "appliance":
            return Caller(name, vnet_id=self._appliance_vnet, internet=True)
        return machine_caller(self.picture, name)

    def _resources_changed(self) -> None:
        self._picture = None
        self._recheck_soon()

    def _recheck_soon(self) -> None:
        if self._recheck is None:
            # Once for all changes of one step of the loop.
            self._recheck = asyncio.get_running_loop().call_soon(self._cut_what_has_no_way)

    def _cut_what_has_no_way(self) -> None:
        self._recheck = None
        decided: dict[tuple[str, str, str | None], Decision] = {}

        def gone(connection: Connection) -> bool:
            key = (connection.caller.name, connection.host, connection.address)
            if key not in decided:
                decided[key] = self.decide(*key)
            return decided[key] != connection.decision

        for connection in self._open.cut_where(gone):
            key = (connection.caller.name, connection.host, connection.address)
            after = decided[key]
            reason = after.reason if isinstance(after, Refusal) else f"the way is now {after}"
            self._record(connection.caller.name, connection.host, "cut", 502, reason=reason)

    def _record(
        self, caller: str, host: str, event: ConnectionEvent, status: int, **why: Unpack[_Why]
    ) -> None:
        self._journal.record(
            service="gateway",
            caller=caller,
            method="CONNECT",
            host=host,
            path="",
            query="",
            status=status,
            event=event,
            **why,
        )
