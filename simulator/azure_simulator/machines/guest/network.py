"""The VM's network: nothing but a loopback that has every private address.

All addresses are local, so one listener on port 443 gets whatever a program dials and knows from
the accepted socket which address was meant. The socket itself goes to the gateway, outside.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import threading

#: What VNets may use, and the range that stands for public addresses: those are refused by the
#: gateway, which writes the attempt down.
_RANGES = (
    ("10.0.0.1", "255.0.0.0"),
    ("172.16.0.1", "255.240.0.0"),
    ("192.168.0.1", "255.255.0.0"),
    ("100.64.0.1", "255.192.0.0"),
    ("198.18.0.1", "255.254.0.0"),
)
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP = 1
_BACKLOG = 512


def bring_up() -> None:
    """Raise the loopback and give it every range; by ioctl, since iproute2 may be missing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
        for number, (address, mask) in enumerate(_RANGES):
            label = f"lo:{number}".encode()
            fcntl.ioctl(sock, _SIOCSIFADDR, _interface_request(label, address))
            fcntl.ioctl(sock, _SIOCSIFNETMASK, _interface_request(label, mask))


def listen() -> socket.socket:
    """Listen for whatever is dialled on port 443."""
    return socket.create_server(("0.0.0.0", 443), backlog=_BACKLOG)  # noqa: S104 - the VM's own


def hand_over_connections(listener: socket.socket, channel: socket.socket) -> None:
    """Send every connection to *listener* over *channel*, from a thread, until the VM ends."""
    threading.Thread(target=_hand_over, args=(listener, channel), daemon=True).start()


def _hand_over(listener: socket.socket, channel: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                socket.send_fds(channel, [b"connection"], [connection.fileno()])
            except OSError:  # the gateway is gone, and with it this VM
                os._exit(0)


def _interface_request(label: bytes, address: str) -> bytes:
    return struct.pack("16sHH4s8x", label, socket.AF_INET, 0, socket.inet_aton(address))
