"""The VMs' ways in: a VM hands over each connection that a program of its own made to port 443.

What comes over a VM's channel is the accepted socket itself (SCM_RIGHTS), which stays in the VM's
network: TLS is answered on it here, no byte is relayed, and the address that was dialled is the
socket's own.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from azure_simulator.gateway.connections import Connection, refuse_socket
from azure_simulator.gateway.gateway import Gateway
from azure_simulator.gateway.reachability import Refusal
from azure_simulator.gateway.serving import http_protocol

#: Sockets taken from a channel in one step of the loop.
_AT_ONCE = 16


class MachineChannels:
    """The channel of each VM that is up."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._channels: dict[str, socket.socket] = {}
        self._handshakes: set[asyncio.Task[None]] = set()

    def attach(self, vm_id: str, channel: socket.socket) -> None:
        """Serve the connections that come over *channel*, a SOCK_SEQPACKET that is ours to close.

        A VM has one channel: an older one is closed.
        """
        self.detach(vm_id)
        channel.settimeout(0)
        self._channels[vm_id.lower()] = channel
        loop = asyncio.get_running_loop()
        loop.add_reader(channel, partial(self._take, vm_id, channel))

    def detach(self, vm_id: str) -> None:
        """Cut everything that the VM has open and close its channel."""
        channel = self._channels.pop(vm_id.lower(), None)
        if channel is not None:
            asyncio.get_running_loop().remove_reader(channel)
            channel.close()
        self._gateway.cut_caller(vm_id)

    async def close(self) -> None:
        """Detach every VM."""
        for vm_id in list(self._channels):
            self.detach(vm_id)
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _take(self, vm_id: str, channel: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, received, _flags, _address = socket.recv_fds(channel, 16, 4)
            except BlockingIOError:
                return
            except OSError:
                data, received = b"", []
            for number in received:
                self._begin(vm_id, socket.socket(fileno=number))
            if not data:  # the VM is gone
                asyncio.get_running_loop().remove_reader(channel)
                return

    def _begin(self, vm_id: str, sock: socket.socket) -> None:
        try:
            address = str(sock.getsockname()[0])
        except (OSError, IndexError, TypeError):  # not the kind of socket that a VM may hand over
            sock.close()
            return
        caller = self._gateway.caller(vm_id)
        refusal = Refusal("name", "the client has named no host yet")
        connection = Connection(caller, "", address, refusal)
        task = asyncio.get_running_loop().create_task(self._serve(connection, sock))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _serve(self, connection: Connection, sock: socket.socket) -> None:
        sock.settimeout(0)
        if nobody := self._gateway.nobody_at(connection.caller.name, str(connection.address)):
            host, reason = nobody
            self._gateway.refused(connection.caller.name, host, reason)
            refuse_socket(sock)
            return
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: http_protocol(connection, self._gateway.services),
                sock,
                ssl=self._gateway.front(connection),
            )
        except OSError:  # ssl.SSLError is one: refused by name, or no client of TLS
            refuse_socket(sock)
            return
        connection.transport = transport
        self._gateway.opened(connection)
