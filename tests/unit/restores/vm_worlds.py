"""Worlds whose recovery point holds what Azure said of its VM, and what that VM needs around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as said
from typing import Any

from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import TARGET, backed_up_world, restore
from tests.worlds import recorded_vm
from tests.worlds.memory_azure import AWAY, HOME, SUBSCRIPTION
from tests.worlds.memory_targets import RESTORED_GROUP
from tests.worlds.memory_world import World
from tests.worlds.samples import machine
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import VirtualMachineSeen
from vmbackup_operator.sessions.target_ports import ResourceSeen

VM_TARGET = replace(TARGET, disk_sku=None)
NETWORK = ArmId(f"{RESTORED_GROUP}/providers/Microsoft.Network/virtualNetworks/web")
SUBNET = f"{NETWORK}/subnets/machines"
IDENTITY = ArmId(f"{RESTORED_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web")
NSG = ArmId(f"{RESTORED_GROUP}/providers/Microsoft.Network/networkSecurityGroups/web")


def description() -> str:
    """Return the recorded VM's, as if it were the one of the samples.

    What it refers to lies where the samples' namespace may restore into.
    """
    text = recorded_vm.described().text.replace(recorded_vm.SUBSCRIPTION, SUBSCRIPTION)
    compute = "providers/Microsoft.Compute"
    for old, new in (
        (f"resourceGroups/web/{compute}", f"resourceGroups/prod/{compute}"),
        ("resourceGroups/web/", "resourceGroups/restored/"),
        ("web-01-0", "web-01-1"),
        ("web-01-os", "web-01-0"),
    ):  # fmt: skip
        text = text.replace(old, new)
    return text


def described_machine(
    description: Callable[[str], str] = lambda text: text,
) -> VirtualMachineSeen:
    """Return the samples' VM with two disks, as Azure describes it."""
    return said(machine(disks=2), description=description(_TEXT))


def with_surroundings(world: World) -> World:
    """Return the world with what the VM refers to."""
    world.target.put(ResourceSeen(NETWORK, AWAY, subnets=frozenset({"machines"})))
    world.target.put(ResourceSeen(NSG, AWAY))
    world.target.put(ResourceSeen(IDENTITY, HOME))
    return world


async def described_world(
    description: Callable[[str], str] = lambda text: text, **spec: Any
) -> World:
    """Return a world with a session that is to make a VM of its point."""
    world = World()
    world.add(described_machine(description))
    world = with_surroundings(await backed_up_world(made=world, keeps=True))
    wanted: dict[str, Any] = {"mode": "VirtualMachine", "target": VM_TARGET} | spec
    world.restores.put(restore(world, **wanted))
    return world


_TEXT = description()
