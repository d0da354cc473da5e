"""Worlds whose recovery point is brought back from its snapshot set alone."""

from __future__ import annotations

from typing import Any

from tests.unit.restores.restoring_worlds import RESTORE, backed_up_world, restore
from tests.unit.restores.vm_worlds import described_world
from tests.worlds.memory_rewinds import Copy
from tests.worlds.memory_world import World
from vmbackup_operator.arm_ids import folded


async def copying_world(machine_disks: int = 2, **spec: Any) -> World:
    """Return a world with a session that has disks made of the point's snapshots."""
    world = await backed_up_world(machine_disks)
    world.restores.put(restore(world, **({"source": "Snapshots"} | spec)))
    return stilled(world)


async def copied_machine_world(**spec: Any) -> World:
    """Return a world with a session that has a VM made of such disks."""
    return stilled(await described_world(**({"source": "Snapshots"} | spec)))


def stilled(world: World) -> World:
    """Return the world with nothing left of what the backup did but its point and its set."""
    world.azure.workers.clear()
    world.azure.commands.clear()
    world.azure.asked.clear()
    world.azure.order.clear()
    return world


def copied(world: World) -> dict[str, Copy]:
    """Return the disks that were made, by their positions."""
    restored = world.restored(RESTORE).restored
    assert restored is not None
    return {each.disk: world.loose.copies[folded(each.disk_id)] for each in restored.disks}
