"""Worlds whose VM is rewound to a point whose snapshots are gone: a worker writes its disks."""

from __future__ import annotations

from typing import Any

from tests.unit.restores.restoring_worlds import RESTORE
from tests.unit.restores.rewinding_worlds import rewinding_world, rewound, say_the_word
from tests.worlds.memory_points import HELD_BYTES, SnapshotBytes
from tests.worlds.memory_world import World
from vmbackup_operator.arm_ids import folded


async def rewriting_world(machine_disks: int = 2, **spec: Any) -> World:
    """Return a world with a session that is to rewind its VM, whose snapshot set is gone."""
    world = await rewinding_world(machine_disks, **spec)
    world.azure.snapshots.clear()
    return world


async def written(world: World) -> None:
    """Run until the session has given its worker back and waits for its user."""
    await world.run_until("WorkerReleased", RESTORE)
    for _ in range(3):
        await world.look_again(RESTORE)


async def run_written(world: World) -> None:
    """Run the session to its end, confirmed as soon as it asks."""
    await written(world)
    say_the_word(world)
    await world.run(RESTORE)


def on_workers(world: World) -> list[str]:
    """Return the disks that a worker has."""
    disks = [*world.loose.on_workers]
    return [each for each in disks if world.loose.worker_of(world.azure, each) is not None]


def are_as_backed_up(world: World) -> bool:
    """Tell whether each new disk holds, byte for byte, what its snapshot held when it was read."""
    (point,) = world.points.points.values()
    said = {"os" if each.lun is None else str(each.lun): each for each in point.disks}
    for disk in rewound(world).disks:
        wanted, found = bytearray(HELD_BYTES), bytearray(HELD_BYTES)
        SnapshotBytes(said[disk.disk].snapshot_unique_id).read_into(0, memoryview(wanted))
        for offset, data in (world.loose.copies[folded(disk.disk_id)].written or {}).items():
            found[offset : offset + len(data)] = data
        if found != wanted:
            return False
    return True
