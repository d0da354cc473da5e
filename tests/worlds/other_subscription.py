"""A world in which VMs of another subscription than the appliance's may be backed up."""

from __future__ import annotations

from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_VM, SETTINGS_ACROSS, machine


def across() -> World:
    """Return a world with a VM of another subscription, whose data may cross."""
    world = World(settings=SETTINGS_ACROSS)
    world.azure.exports_refused = ""
    world.add(machine(vm_id=FOREIGN_VM))
    return world
