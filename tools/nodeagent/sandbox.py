"""The process that holds a pod's network: ``python -m tools.nodeagent.sandbox DESCRIPTOR``.

The network has nothing but a loopback, on which every address of 10.0.0.0/8 is at home. Over the
socket that it is given, the process makes sockets in there and hands them out: whoever has them is
in the pod's network with these alone. It ends with that socket.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys

#: Where Services and pods have their addresses.
_HOME, _MASK = "10.0.0.1", "255.0.0.0"
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_IFF_UP = 1
_MOST_BYTES = 4096
_CONNECT_S = 10.0


def main() -> None:
    """Serve until nobody has the other end."""
    _bring_up()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        channel.send(b"{}")  # ready
        while request := channel.recv(_MOST_BYTES):
            _answer(channel, **json.loads(request))


def _answer(channel: socket.socket, do: str, address: str, port: int) -> None:
    try:
        if do == "listen":
            made = socket.create_server((address, port), backlog=64)
        else:
            made = socket.create_connection((address, port), _CONNECT_S)
    except OSError as error:
        channel.send(json.dumps({"refused": f"{address}:{port}: {error.strerror}"}).encode())
        return
    with made:
        socket.send_fds(channel, [b"{}"], [made.fileno()])


def _bring_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack("16xH14x", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
        fcntl.ioctl(sock, _SIOCSIFADDR, _request(_HOME))
        fcntl.ioctl(sock, _SIOCSIFNETMASK, _request(_MASK))


def _request(address: str) -> bytes:
    return struct.pack("16sHH4s8x", b"lo:0", socket.AF_INET, 0, socket.inet_aton(address))


if __name__ == "__main__":
    main()
