"""``systemctl`` in a VM: passes its words to the service manager and prints what that says."""

from __future__ import annotations

import json
import socket
import sys

from azure_simulator.machines.guest.address import SOCKET


def main(words: list[str]) -> int:
    """Have the service manager do what *words* say; return the exit code."""
    with socket.socket(socket.AF_UNIX) as manager:
        try:
            manager.connect(SOCKET)
        except OSError as error:
            sys.stderr.write(f"Failed to connect to bus: {error.strerror}\n")
            return 1
        manager.sendall(json.dumps(words).encode() + b"\n")
        answer = b"".join(iter(lambda: manager.recv(65536), b""))
    reply = json.loads(answer)
    sys.stdout.write(reply["output"])
    sys.stderr.write(reply["error"])
    return int(reply["code"])
