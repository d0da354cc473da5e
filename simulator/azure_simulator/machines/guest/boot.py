"""A VM's first process: makes its root and network, starts what runs in it, and reaps orphans.

When the simulator is gone, or ends the VM, the control socket ends; then the first process does,
and the kernel kills all others of its process namespace.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from azure_simulator.machines.guest import mounts, network, root
from azure_simulator.machines.guest.control import serve
from azure_simulator.machines.guest.plan import Plan


def main() -> None:
    """Boot as the plan in the first argument says; never returns."""
    plan = Plan.from_json(sys.argv[1])
    for descriptor in (plan.control, plan.channel):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only form
    root.enter(plan)
    network.bring_up()
    listener = network.listen()
    socket.sethostname(plan.hostname)
    mounts.lock()
    os.umask(0o022)
    manager = os.fork()
    if manager:
        _reap_until(manager)
    control = socket.socket(fileno=plan.control)
    network.hand_over_connections(listener, socket.socket(fileno=plan.channel))
    asyncio.run(serve(control))
    os._exit(0)


def _reap_until(manager: int) -> None:
    """Wait for orphans as every first process must, until *manager* has ended."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while os.wait()[0] != manager:
        pass
    os._exit(0)
