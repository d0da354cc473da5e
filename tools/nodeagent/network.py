"""A pod's own network, as the agent reaches into it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

from tools.local_cloud.processes import Program, start_program
from tools.local_cloud.toolchains import ROOT

_MOST_BYTES = 4096


class Network:
    """The network of one pod, which lasts until it is closed."""

    def __init__(self, channel: socket.socket, program: Program, *, has_users: bool = True) -> None:
        self._channel, self._program, self._has_users = channel, program, has_users
        self._turn = threading.Lock()

    @property
    def joined_by(self) -> list[str]:
        """What a command begins with that is to run in it, as root of its users' namespace."""
        users = ["--user", "--preserve-credentials"] if self._has_users else []
        target = str(self._program.process.pid)
        return ["nsenter", *users, "--net", "--target", target, "--"]

    def listen(self, address: str, port: int) -> socket.socket:
        """Return a socket that listens in there; raise ConnectionError where it cannot."""
        return self._asked("listen", address, port)

    def connect(self, address: str, port: int) -> socket.socket:
        """Return a connection to who listens in there; raise ConnectionError where nobody does."""
        return self._asked("connect", address, port)

    def close(self) -> None:
        """End it; what still has sockets in it keeps them."""
        self._channel.close()
        self._program.stop()

    def _asked(self, do: str, address: str, port: int) -> socket.socket:
        request = json.dumps({"do": do, "address": address, "port": port}).encode()
        with self._turn:
            try:
                self._channel.send(request)
                answer, descriptors, _, _ = socket.recv_fds(self._channel, _MOST_BYTES, 1)
            except OSError as error:
                raise ConnectionError(f"{address}:{port}: the pod's network has ended") from error
        if not descriptors:
            raise ConnectionError(json.loads(answer or b"{}").get("refused", "it has ended"))
        return socket.socket(fileno=descriptors[0])


def open_network(folder: Path, *, of_root: bool = False) -> Network:
    """Open a network; it ends with the calling thread. Its holder's complaints go to *folder*.

    One *of_root* has no users of its own: for root alone, who mounts and makes interfaces in there.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    users = [] if of_root else ["--user", "--map-root-user"]
    words = ["unshare", *users, "--net", "--", sys.executable]
    words += ["-m", "tools.nodeagent.sandbox", str(theirs.fileno())]
    log = folder / "network.log"
    environment = {"PYTHONPATH": str(ROOT)}
    with theirs:
        program = start_program(words, log, environment, descriptors=[theirs.fileno()])
    if not ours.recv(_MOST_BYTES):
        ours.close()
        program.stop()
        raise RuntimeError(f"no network for a pod: {os.linesep}{program.last_words()}")
    return Network(ours, program, has_users=not of_root)
