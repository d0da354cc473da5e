"""Whether the kernel lets an ordinary user make the namespaces that VMs are made of."""

from __future__ import annotations

import asyncio

from azure_simulator.machines.machine import NAMESPACES

_WHAT_TO_ENABLE = """\
VMs need user, network, mount and process namespaces; the kernel or the container forbids them.
  - a container: run it with --privileged, or with each of --security-opt seccomp=unconfined,
    --security-opt apparmor=unconfined and --security-opt systempaths=unconfined
  - Ubuntu 24.04 and newer: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
  - older Debian: sysctl -w kernel.unprivileged_userns_clone=1
  - any: sysctl user.max_user_namespaces must not be 0, and util-linux's unshare must be on PATH"""


class NamespacesForbidden(Exception):
    """VMs can't be made here; the message says what to enable."""


async def check_namespaces() -> None:
    """Make the namespaces once and mount in them, or say what forbids it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *NAMESPACES,
            "--mount-proc",
            "true",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise NamespacesForbidden(f"unshare: {error.strerror}\n{_WHAT_TO_ENABLE}") from error
    _, errors = await process.communicate()
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()
        raise NamespacesForbidden(f"{said}\n{_WHAT_TO_ENABLE}")
